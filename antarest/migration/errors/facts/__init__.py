"""The errors: one class for each fact, with its values and next steps."""
