"""The proof on one engine: the walk through the history, and the trials at each revision."""
