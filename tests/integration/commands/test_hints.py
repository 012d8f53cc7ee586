"""Each hint of each error is followed: nothing is lost, and the database changes only as the hint says."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.checks.errors import EXAMPLES
from tests.support.projects.branches import SETTINGS, Clone, table, with_models
from tests.support.projects.checkouts import ROOT, run

CONSENT = "Agree to the loss"
"""The hints of this label lose data: a person has asked for it, and the error names what it loses."""

MOVES = {
    "Upgrade it",  # The command needs a database at head.
    "Make the database match this checkout",
    "Or check that state out, and let the database follow",
    "A rollback can go as far as to it",  # A rollback has failed.
    "Go to the state below",  # So here.
    "Read it, and if its downgrade fits, run it",
    "Answer it in advance",
    "Record the revision that it is at",  # Nothing is recorded, or something that is wrong.
    "Record the one that it is at, alone",
    "If you know the revision of the database, record it",
    "If the history is meant to meet what is there",
    "They are branches that stay apart; apply them all",  # An upgrade was asked for.
    "Undo the last revision of one branch",  # A rollback has failed.
    "Apply all branches beside each other",  # So here.
}
"""The labels of the hints that move the database, which is what the failed command was about."""


@dataclass
class Copy:
    """A copy of a clone and of its database, in which a hint is followed."""

    folder: Path
    database: Path
    environment: dict[str, str] = field(default_factory=dict)

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """The rows of each table of the history."""
        with closing(sqlite3.connect(self.database)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found = {name: connection.execute(f'SELECT * FROM "{name}" ORDER BY 1').fetchall() for name in names}
        return {name: rows for name, rows in found.items() if rows and not name.startswith("alembic_")}

    def current(self) -> list[tuple[str]]:
        """The revisions of the database."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute("SELECT version_num FROM alembic_version").fetchall()


def copied(clone: Clone, folder: Path) -> Copy:
    """Copy a clone with its database."""
    shutil.copytree(clone.folder, folder / "clone", symlinks=True)
    database = folder / "app.db"
    shutil.copy(Path(str(clone.url.database)), database)
    config = folder / "run.yaml"
    config.write_text(f"db:\n  url: sqlite:///{database}\n  backup_folder: {folder / 'backups'}\n")
    return Copy(folder / "clone", database, {**SETTINGS, "ANTAREST_CONF": str(config), "PYTHONPATH": str(ROOT)})


def words_of(command: str, copy: Copy) -> list[str] | None:
    """Return the words of a hint, with real values for its placeholders; None if the hint needs a network."""
    config = copy.environment["ANTAREST_CONF"]
    values = {"PATH": config, "REV": "empty_00000000", "REF": "main", "...": "one more", "FILE": config}
    command = re.sub(r"\b[0-9a-f]{12}\b", "base_00000000", command)
    command = re.sub(r"(?<=[= \"])(PATH|REV|REF|FILE|\.\.\.)(?=[ \"/]|$)", lambda found: values[found[1]], command)
    command = command.replace(f"{config}/alembic.ini", "alembic.ini")
    words = shlex.split(command)
    if words[0] == "inv":
        # The database has the other engine, on which a proof would take ten times as long.
        own = ["--engine=sqlite"] if words[1] == "db.verify" and "--engine=sqlite" not in words else []
        return [sys.executable, "-m", "antarest.migration", words[1].removeprefix("db."), *words[2:], *own]
    if words[1:3] == ["-m", "antarest.migration"]:
        return [sys.executable, *words[1:]]
    return words if words[0] in {"alembic", "git", "sqlite3"} else None


def hints() -> dict[str, str]:
    """Return the commands of all hints with their labels: those of the examples, and those in the code."""
    written = [hint for file in (ROOT / "antarest").rglob("*.py") for hint in hints_in(ast.parse(file.read_bytes()))]
    return dict(written) | {hint.command: hint.text for error in EXAMPLES for hint in error.hints if hint.command}


def hints_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Return the hints in the code of a file, with a revision for each value in a command."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Hint" and node.args[1:]:
            text, command = node.args[0], node.args[1]
            parts = command.values if isinstance(command, ast.JoinedStr) else [command]
            said = "".join(str(each.value) if isinstance(each, ast.Constant) else "base_00000000" for each in parts)
            if (
                isinstance(text, ast.Constant)
                and said.startswith(("inv db.", "alembic "))
                and "--studies" not in said
                and "db.base" not in said
            ):
                yield said, str(text.value)


def test_no_hint_loses_anything_or_moves_the_database_back(
    small: Clone, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    with_models(small)
    small.add(table("reserve"), table("empty"))
    small.sync()
    for name in ("base", "reserve"):
        small.database.execute(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b')")
    small.add(table("pending"))
    followed = set[tuple[str, ...]]()
    for number, (command, label) in enumerate(hints().items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = copied(small, folder)
        words = words_of(command, copy)
        if words is None or (key := tuple(word.replace(str(folder), "") for word in words)) in followed:
            continue
        followed.add(key)
        rows, current = copy.rows(), copy.current()
        with subtests.test(command):
            done = run(*words, cwd=copy.folder, env=copy.environment, traceback=words[0] == "git")

            assert "error usage." not in done.err, f"{shlex.join(words)}: {done.err}"
            if label != CONSENT:
                assert copy.rows() == rows, done.out
            if label != CONSENT and label not in MOVES:
                assert copy.current() == current, done.out
        shutil.rmtree(folder)
    assert len(followed) > 25
