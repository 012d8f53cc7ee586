"""The command line: the verbs, their flags, their questions, and their output."""
