"""The snapshot: a file beside the revisions with the schema that they make, so that a new database need not run them.

There is one file for each engine. A run loads it into an empty database, if there is no doubt that the revisions would
make the same. With any doubt, the revisions run.
"""
