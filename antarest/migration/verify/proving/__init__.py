"""The proof on one engine: the walk through the history, and what is tried at each revision."""
