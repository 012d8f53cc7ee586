"""The kinds of findings of a proof, and the modules that look for such findings."""
