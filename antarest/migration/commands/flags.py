"""The flags of all verbs, for Invoke and `python -m antarest.migration`, and the flags that must be refused.

Invoke treats some flags as its own, without a message. A user may also leave the value of a flag empty by accident. In
both cases the command could work on a database that the user has not named.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors.base import Hint
from ..errors.facts.configuration import UsageError
from ..errors.settings.commands import spelled

HIDDEN = argparse.SUPPRESS


@dataclass(frozen=True)
class Flag:
    """A flag of a verb, or an argument without a flag.

    Attributes:
        help: the help text; HIDDEN for a flag that only programs use.
        value: the name of the value in the help text; empty for a flag without a value.
        repeats: whether the flag can be given several times.
    """

    help: str
    value: str = ""
    repeats: bool = False


FLAGS = {
    "config": Flag("the configuration file (default: $ANTAREST_CONF, else application.yaml)", "PATH"),
    "debug": Flag("show the traceback of an error"),
    "project": Flag("the alembic.ini or its folder (default: found from here, as git finds a repository)", "PATH"),
    "x": Flag("a value that env.py and revisions read with context.get_x_argument; may be given again", "KEY=VALUE"),
    "to": Flag("the target: a revision, head or base; in a clone also a tag, a branch, a commit or a date", "REV"),
    "steps": Flag("the number of revisions to go back (default: 1)", "N"),
    "dry_run": Flag("print the plan, and change nothing"),
    "from_base": Flag("start at base although the database has no recorded revision and is not empty"),
    "yes": Flag("answer questions with yes; this never permits a loss of data"),
    "allow_data_loss": Flag("agree to the losses of data that the plan names"),
    "allow_changed": Flag("also undo a revision whose code has changed since it was applied"),
    "allow_production": Flag("also if the server is on another host, or the configuration says production"),
    "studies": Flag("the number of studies; all other numbers follow from it (default: 200)", "N"),
    "message": Flag("the purpose of the revision; the name of the file is made from it", "TEXT"),
    "empty": Flag("write an empty revision, for changes that you write by hand"),
    "amend": Flag("write the newest revision again, with its id and message; roll it back first if it is applied"),
    "discard_edits": Flag("also amend a file that was edited by hand; the store keeps the old file"),
    "onto": Flag(
        "the new base of the revisions: a branch (default: main; on main, the merged or pulled revisions)", "REF"
    ),
    "backup": Flag("back up first, also on PostgreSQL (SQLite is always backed up)"),
    "from_": Flag("the backup to restore, by name or path (default: the newest)", "FILE"),
    "end_sessions": Flag("end the other sessions on the database (PostgreSQL)"),
    "lock_timeout": Flag("the seconds to wait for another run on the same database (default: 60)", "SECONDS"),
    "json": Flag("print JSON, for programs"),
    "engine": Flag("sqlite, postgresql or both (default)", "NAME"),
    "revisions": Flag("the revisions to prove: A:B (both included), A:, :B, or one (default: all)", "A:B"),
    "new": Flag("only the revisions that this branch adds to main"),
    "rows": Flag("the smallest number of generated rows in a table (default: 3)", "N"),
    "notes": Flag("list the notes too; by default they are only counted"),
    "markdown": Flag("also write the result as Markdown", "FILE"),
    "comment": Flag("also write Markdown for a comment on a pull request", "FILE"),
    "sarif": Flag("also write the findings as SARIF, for services of code review", "FILE"),
    "html": Flag("also write the result as a page for a browser", "FILE"),
    "github": Flag("also print each finding for GitHub Actions, which shows it at its file and line"),
    "versions": Flag("the folder of revisions, for a project without alembic.ini", "FOLDER"),
    "metadata": Flag("the metadata of the models: package.module:attribute", "NAME"),
    "start": Flag("a file of SQL, or module:function, that creates tables before the first revision", "NAME"),
    "run_env": Flag("run the env.py of the project; it can reach only the scratch database"),
    "env": Flag("with --run-env: a variable for env.py; may be repeated", "NAME=VALUE", repeats=True),
    "rows_from": Flag("a Python file with values for generated rows (default: tests/rows.py)", "FILE"),
    "since": Flag(
        "prove that a database at this commit's head can be upgraded (default: main, and the deployed revision)", "REF"
    ),
    "keep": Flag("keep the databases before and after each revision with a finding, and print their URLs"),
    "sql": Flag("print the SQL for a DBA, and change nothing (PostgreSQL)"),
    "prove": Flag("prove the snapshot on this PostgreSQL server too, on scratch databases", "URL"),
    "output": Flag("the folder or file to write to", "PATH"),
    "branch": Flag("the branch to switch to"),
    "ref": Flag("the deployed state: a tag, a revision, a branch, a commit or a date"),
    "from_ref": Flag("the start: a revision, base, a tag, a branch, a commit or a date"),
    "to_ref": Flag("the end: a revision, base, a tag, a branch, a commit or a date"),
    "head": Flag(HIDDEN, "REV"),
}


# Invoke takes the long flags before the task, and the short flags anywhere, also several in one word. Before the task,
# `-c` is a flag of Invoke. After the task, the user means Alembic's `-c`.
_LONG = re.compile(r"--(?P<flag>config|debug)=?(?P<value>.*)")
_SHORT = re.compile(r"-[ehlpwRV]*(?P<flag>[cdf])=?(?P<value>.*)")
_MEANT = {"f": "config", "config": "config", "c": "project"}


def find_swallowed(words: Sequence[str], command: str) -> UsageError | None:
    """Find a flag that the user means for a command, but that Invoke would treat as its own.

    Args:
        words: the command line.
        command: the task as the user calls it, for example `inv db.status`.

    Returns:
        The error, with the right spelling; None if there is no such flag.
    """
    namespace = command.rpartition(" ")[2].partition(".")[0]
    task = next((index for index, word in enumerate(words) if word.startswith(f"{namespace}.")), len(words))
    for index, word in enumerate(words):
        found = _SHORT.fullmatch(word) or (_LONG.fullmatch(word) if index < task else None)
        if found is None or (found["flag"] == "c" and index < task):
            continue
        right = f"{command} --debug"
        if meant := _MEANT.get(found["flag"]):
            behind = words[index + 1] if index + 1 < len(words) and index + 1 != task else "PATH"
            right = f"{command} --{meant}={found['value'] or behind}"
        flag = ("--" if word.startswith("--") else "-") + found["flag"]
        return UsageError(f"{flag} is taken by Invoke here, not by the task", Hint("Write it like this", right))
    return None


def refuse_empty(options: Mapping[str, object], verb: str) -> None:
    """Refuse a flag with an empty value, such as `--to=$UNSET`, because the user did not mean to leave the flag out.

    Raises:
        UsageError: a flag has no value.
    """
    for name, value in options.items():
        if value == "":
            hint = Hint("Give the flag a value, or omit it", f"inv db.{verb} --help")
            raise UsageError(f"{spelled(name)} has no value", hint)
