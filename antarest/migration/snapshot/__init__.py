"""The snapshot: a file beside the revisions with the schema that they make, so that a new database need not run them.

There is one file for each engine. A run loads the file into an empty database if it is certain that the revisions would
have the same effect. Otherwise the revisions run.
"""
