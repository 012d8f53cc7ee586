"""The words for each flag, shared by Invoke and `python -m antarest.migration`."""

from __future__ import annotations

import argparse

HIDDEN = argparse.SUPPRESS
FLAGS = {
    "config": "the configuration file (default: $ANTAREST_CONF, else application.yaml)",
    "debug": "show the traceback of an error",
    "project": "the alembic.ini to work on (default: the one here; for antarest-db its own)",
    "to": "where to go: a revision, head or base; in a clone also a tag, a branch, a commit or a date",
    "steps": "how many revisions to go back (default: 1)",
    "dry_run": "show what would be done, and change nothing",
    "yes": "answer questions with yes; this never permits a loss of data",
    "allow_data_loss": "agree to the losses that the plan names",
    "allow_changed": "also undo a revision with code that is not what was applied",
    "allow_production": "also where the server is not on this host or the configuration says production",
    "studies": "how many studies; everything else follows from their number (default: 200)",
    "message": "what the revision is for; its words become the name of the file",
    "empty": "write an empty revision, for changes by hand",
    "amend": "write the newest revision anew, with its id and message; undo it first where it is applied",
    "discard_edits": "amend also what was edited by hand; the old file stays in the store",
    "onto": "the branch whose head to go on top of (default: main; on main what is merged or pulled)",
    "backup": "back up first, also on PostgreSQL (SQLite always is)",
    "from_": "the backup to restore, by name or path (default: the newest)",
    "end_sessions": "end the sessions of others (PostgreSQL)",
    "lock_timeout": "how many seconds to wait for another run on the same database (default: 60)",
    "json": "print JSON, for machines",
    "engine": "sqlite, postgresql or both (default)",
    "revisions": "which revisions: A:B, A: or :B, both among them, or one (default: all)",
    "new": "only the revisions that this branch adds to main",
    "rows": "how many generated rows a table gets at least (default: 3)",
    "markdown": "write the result as Markdown too",
    "versions": "a folder of revisions, of a project without alembic.ini",
    "metadata": "where the metadata of the models is: package.module:attribute",
    "rows_from": "a Python file with values for generated rows (default: tests/rows.py)",
    "since": "prove that what this commit's revisions migrated can be upgraded (default: main, and what is deployed)",
    "keep": "keep the databases before and after each revision that an engine finds at fault, and say where they are",
    "sql": "print the SQL instead, for a DBA, and change nothing (PostgreSQL)",
    "output": "the folder or file to write to",
    "branch": "the branch to switch to",
    "ref": "what production runs: a tag, a revision, a branch, a commit or a date",
    "from_ref": "where to begin: a revision, base, a tag, a branch, a commit or a date",
    "to_ref": "where to end: likewise",
    "head": HIDDEN,  # rollback.sh says which head it was made for
}
TEXTS = {
    "config": "PATH",
    "project": "PATH",
    "to": "REV",
    "steps": "N",
    "studies": "N",
    "message": "TEXT",
    "onto": "REF",
    "output": "PATH",
    "engine": "NAME",
    "revisions": "A:B",
    "rows": "N",
    "markdown": "FILE",
    "versions": "FOLDER",
    "metadata": "NAME",
    "rows_from": "FILE",
    "since": "REF",
    "head": "REV",
    "from_": "FILE",
    "lock_timeout": "SECONDS",
}
"""The flags that take a value, and what it is."""
