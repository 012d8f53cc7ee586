"""The flags of all verbs and the words for them, shared by Invoke and `python -m antarest.migration`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

HIDDEN = argparse.SUPPRESS


@dataclass(frozen=True)
class Flag:
    """A flag, or a word that a verb takes.

    Attributes:
        help: what it does; HIDDEN where only a program gives it.
        value: what the value is that it takes; empty for a flag that takes none.
    """

    help: str
    value: str = ""


FLAGS = {
    "config": Flag("the configuration file (default: $ANTAREST_CONF, else application.yaml)", "PATH"),
    "debug": Flag("show the traceback of an error"),
    "project": Flag("the alembic.ini to work on (default: the one here; for antarest-db its own)", "PATH"),
    "to": Flag("where to go: a revision, head or base; in a clone also a tag, a branch, a commit or a date", "REV"),
    "steps": Flag("how many revisions to go back (default: 1)", "N"),
    "dry_run": Flag("show what would be done, and change nothing"),
    "yes": Flag("answer questions with yes; this never permits a loss of data"),
    "allow_data_loss": Flag("agree to the losses that the plan names"),
    "allow_changed": Flag("also undo a revision with code that is not what was applied"),
    "allow_production": Flag("also where the server is not on this host or the configuration says production"),
    "studies": Flag("how many studies; everything else follows from their number (default: 200)", "N"),
    "message": Flag("what the revision is for; its words become the name of the file", "TEXT"),
    "empty": Flag("write an empty revision, for changes by hand"),
    "amend": Flag("write the newest revision anew, with its id and message; undo it first where it is applied"),
    "discard_edits": Flag("amend also what was edited by hand; the old file stays in the store"),
    "onto": Flag("the branch whose head to go on top of (default: main; on main what is merged or pulled)", "REF"),
    "backup": Flag("back up first, also on PostgreSQL (SQLite always is)"),
    "from_": Flag("the backup to restore, by name or path (default: the newest)", "FILE"),
    "end_sessions": Flag("end the sessions of others (PostgreSQL)"),
    "lock_timeout": Flag("how many seconds to wait for another run on the same database (default: 60)", "SECONDS"),
    "json": Flag("print JSON, for machines"),
    "engine": Flag("sqlite, postgresql or both (default)", "NAME"),
    "revisions": Flag("which revisions: A:B, A: or :B, both among them, or one (default: all)", "A:B"),
    "new": Flag("only the revisions that this branch adds to main"),
    "rows": Flag("how many generated rows a table gets at least (default: 3)", "N"),
    "markdown": Flag("write the result as Markdown too", "FILE"),
    "versions": Flag("a folder of revisions, of a project without alembic.ini", "FOLDER"),
    "metadata": Flag("where the metadata of the models is: package.module:attribute", "NAME"),
    "rows_from": Flag("a Python file with values for generated rows (default: tests/rows.py)", "FILE"),
    "since": Flag("prove that what this commit's revisions migrated can be upgraded (default: main, and what is deployed)", "REF"),
    "keep": Flag("keep the databases before and after each revision that an engine finds at fault, and say where they are"),
    "sql": Flag("print the SQL instead, for a DBA, and change nothing (PostgreSQL)"),
    "output": Flag("the folder or file to write to", "PATH"),
    "branch": Flag("the branch to switch to"),
    "ref": Flag("what production runs: a tag, a revision, a branch, a commit or a date"),
    "from_ref": Flag("where to begin: a revision, base, a tag, a branch, a commit or a date"),
    "to_ref": Flag("where to end: likewise"),
    "head": Flag(HIDDEN, "REV"),
}
