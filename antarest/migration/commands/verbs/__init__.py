"""The verbs: each reads its flags, calls the workflow and prints the result."""
