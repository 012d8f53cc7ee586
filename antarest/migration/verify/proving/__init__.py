"""The proof on one engine, which tries each revision of the history in order."""
