"""Databases that those of tests are copies of: each is migrated once, for all workers of a run, and for the next run.

A template is named after what it follows from. Where a revision changes, there is a new name, and so a new template;
the old one goes when nobody has asked for it for a while.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from antarest.core.whole_file import write_whole
from antarest.migration.connection import moving
from antarest.migration.fingerprint import fingerprints, stands_alone
from antarest.migration.history import HEAD
from antarest.migration.rows import fill
from antarest.migration.scratch import scratch_database

if TYPE_CHECKING:
    from antarest.migration.verify.target import Target

_FILLS_AND_RUNS = ("rows/*", "verify/steps", "verify/target")  # our modules that take part here and nowhere else
_UNUSED = 2 * 24 * 3600  # seconds; nobody wants a template that this long nobody has asked for
_NAME = "antarest_template_"


@dataclass(frozen=True, eq=False)
class Start:
    """What the database of a test begins with.

    Attributes:
        target: whose revisions they are.
        revision: which one it is at; `head` for all heads.
        with_rows: whether there are rows in every table.
    """

    target: Target
    revision: str
    with_rows: bool = False

    @property
    def _heads(self) -> tuple[str, ...]:
        history = self.target.history
        return history.heads if self.revision == HEAD else (history.resolve(self.revision),)

    @property
    def _revisions(self) -> list[str]:
        applied = self.target.history.applied(self._heads)
        return [id_ for id_ in self.target.history.order if id_ in applied]

    def key(self, run: str) -> str:
        """Name what the database follows from.

        Args:
            run: what stands for all that nobody can tell of a revision that is more than its own text: such a template
                is for one run alone.

        Returns:
            40 characters.
        """
        target, revisions = self.target, self._revisions
        options = {**target.options(), "commits_each": target.commits_each}
        names = fingerprints(target.history, revisions, options, _FILLS_AND_RUNS)
        values = target.rows_file.read_bytes() if self.with_rows and target.rows_file else b""
        is_known = len(names) == len(revisions) and stands_alone(values)
        told = [str(revisions), names[-1:], self.with_rows, hashlib.sha256(values).hexdigest(), "" if is_known else run]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:40]

    def build(self, url: URL) -> None:
        """Bring an empty database there."""
        # Imported here: most runs find a template.
        from antarest.migration.verify.steps import run_all

        with moving(url) as connection:
            run_all(connection, self.target, "heads" if self.revision == HEAD else self._heads[0])
            if self.with_rows:
                values = self.target.values_at(self._revisions)
                with connection.begin():
                    fill(connection, values=values, exclude=[self.target.version_table])


def sqlite_template(start: Start, folder: Path, run: str) -> Path:
    """Find or make the template of SQLite.

    Args:
        start: what it is to be.
        folder: where such files are.
        run: as for `Start.key`.

    Returns:
        The file; it is copied, and not written to.
    """
    key = start.key(run)
    file = folder / f"{key}.db"
    with _one_at_a_time(folder, key):
        if not _is_whole(file):
            with scratch_database("sqlite") as url:
                start.build(url)
                write_whole(file, Path(str(url.database)).read_bytes())
        os.utime(file)
        for other in {*folder.glob("*.db")} - {file}:
            with suppress(OSError):  # Another worker was faster.
                if other.stat().st_mtime < time.time() - _UNUSED:
                    other.unlink()
    return file


@contextmanager
def _one_at_a_time(folder: Path, key: str) -> Iterator[None]:
    """Let no other process make the same template; each has a byte of its own of one file, which stays empty."""
    with folder.joinpath("lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX, 1, int(key[:8], 16))
        yield


def _is_whole(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    except sqlite3.Error:
        return False


def postgres_template(start: Start, server: URL, maintenance: Connection, run: str) -> str:
    """Find or make the template of PostgreSQL.

    Args:
        start: what it is to be.
        server: the URL of its maintenance database.
        maintenance: a connection to that, which commits each statement.
        run: as for `Start.key`.

    Returns:
        The name of the database; nobody can connect to it.
    """
    key = start.key(run)
    name, unfinished = f"{_NAME}{key}", f"antarest_unfinished_{key}"
    with _lock(maintenance, int(key[:15], 16)):
        if not maintenance.scalar(text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": name}):
            maintenance.execute(text(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"))  # Its maker was killed.
            maintenance.execute(text(f"CREATE DATABASE {unfinished} TEMPLATE template0"))
            start.build(server.set(database=unfinished))
            # Copying waits for whoever is connected.
            maintenance.execute(text(f"ALTER DATABASE {unfinished} ALLOW_CONNECTIONS false"))
            maintenance.execute(text(f"ALTER DATABASE {unfinished} RENAME TO {name}"))
        note_use(maintenance, name)
    return name


@contextmanager
def _lock(maintenance: Connection, number: int) -> Iterator[None]:
    maintenance.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
    try:
        yield
    finally:
        maintenance.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})


# ---- what stays on a server that lives on

_NOTE = "antarest, for tests, last used "


def note_use(maintenance: Connection, database: str) -> None:
    """Note on a database that it is used now; `drop_unused` goes by that."""
    now = maintenance.scalar(text("SELECT extract(epoch FROM now())::bigint"))
    maintenance.execute(text(f"COMMENT ON DATABASE {database} IS '{_NOTE}{now}'"))


def drop_unused(maintenance: Connection) -> None:
    """Drop the templates, and the databases of tests that failed, that nobody has asked for of late."""
    found = maintenance.execute(
        text("""
            SELECT datname FROM pg_database, shobj_description(oid, 'pg_database') AS note
            WHERE starts_with(note, :note) AND substr(note, :rest)::bigint < extract(epoch FROM now()) - :seconds
        """),
        {"note": _NOTE, "rest": len(_NOTE) + 1, "seconds": _UNUSED},
    )
    for name in found.scalars().all():
        with suppress(DBAPIError):  # Another run drops it, too, or copies it.
            maintenance.execute(text(f"DROP DATABASE IF EXISTS {name}"))
