"""The errors, and the values and settings that all packages of the workflow use."""
