"""The snapshot: a file with the schema that the revisions create, so that a new database need not run the revisions.

There is one file for each engine, beside the revisions. A run loads the file into an empty database if it is certain
that the revisions would have the same effect. Otherwise the revisions run.
"""
