"""The errors: one class for each kind of error, with the values and the next steps of its message."""
