"""The errors, and the values and settings that all rooms use."""
