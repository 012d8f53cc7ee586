"""The data that a run takes away, measured before its commit."""
