"""The pages of the desktop application, and the data that they show."""
