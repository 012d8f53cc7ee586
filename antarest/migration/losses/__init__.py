"""The data that a run removes, measured before its commit."""
