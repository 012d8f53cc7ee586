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
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from ..database.connection import moving
from ..errors.facts.run import ScratchRunFailed
from ..errors.revision import HEAD
from ..errors.settings.whole_file import write_whole
from ..scratch.databases import scratch_database
from ..scratch.fingerprint import fingerprints, stands_alone
from ..verify.rows.filler import fill

if TYPE_CHECKING:
    from ..verify.target import Target

TEST = "antarest_test_"
"""What the name of a test's database begins with."""

_FILLS_AND_RUNS = ("verify/rows/*", "verify/target")  # our modules that take part here and nowhere else
_UNUSED = 2 * 24 * 3600  # seconds; nobody wants a template that this long nobody has asked for
_TEMPLATE = "antarest_template_"
_OURS = f"^({_TEMPLATE}|{TEST})[0-9a-z_]+$"


@dataclass(frozen=True, eq=False)
class Template:
    """What the database of a test begins with.

    Attributes:
        target: whose revisions they are.
        revision: which one it is at; `head` for all heads.
        with_rows: whether there are rows in every table.
    """

    target: Target
    revision: str
    with_rows: bool = False
    _failed: dict[str, TemplateFailed] = field(default_factory=dict, repr=False)

    @property
    def _heads(self) -> tuple[str, ...]:
        history = self.target.history
        return history.heads if self.revision == HEAD else (history.resolve(self.revision),)

    @property
    def _revisions(self) -> Sequence[str]:
        return self.target.history.in_order(self.target.history.applied(self._heads))

    def key(self, run: str, role: str = "") -> str:
        """Name what the database follows from.

        Args:
            run: what stands for all that nobody can tell of a revision that is more than its own text: such a template
                is for one run alone, and begins with `whose(run)`.
            role: of PostgreSQL, whose it is.

        Returns:
            40 characters.
        """
        target, revisions = self.target, self._revisions
        options = {**target.options(), "commits_each": target.commits_each}
        names = fingerprints(target.history, revisions, options, _FILLS_AND_RUNS)
        values = target.rows_file.read_bytes() if self.with_rows and target.rows_file else b""
        is_known = len(names) == len(revisions) and stands_alone(values)
        told = [revisions, names[-1:], self.with_rows, hashlib.sha256(values).hexdigest(), role]
        told += [] if is_known else [run, str(target.project.ini)]
        return f"{'' if is_known else whose(run)}{_hash(repr(told))}"[:40]

    def build(self, url: URL) -> None:
        """Bring an empty database there; what has failed on an engine once is not tried again.

        Raises:
            TemplateFailed: a revision does not run.
        """
        engine = url.get_backend_name()
        if engine in self._failed:
            raise self._failed[engine]
        with moving(url) as connection:
            try:
                self.target.runner.upgrade(connection, self._heads)
            except ScratchRunFailed as failed:
                self._failed[engine] = TemplateFailed(f"{_place(failed, self.target.project.versions)}{failed.reason}")
                raise self._failed[engine] from failed
            if self.with_rows:
                values = self.target.values_at(self._revisions)
                with connection.begin():
                    fill(connection, values=values, exclude=[self.target.version_table])


def whose(run: str) -> str:
    """What the names of the templates begin with that are for one run alone: the same for no other run."""
    return _hash(run)[:12]


def _hash(text_: str) -> str:
    return hashlib.sha256(text_.encode()).hexdigest()


class TemplateFailed(Exception):
    """A revision does not run; the text says which, and what the engine says."""


def _place(failed: Exception, folders: Collection[Path]) -> str:
    """The revision file in which it failed."""
    cause = failed.__cause__.__traceback__ if failed.__cause__ else None
    files = [Path(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(cause)]
    return next((f"{path.name}: " for path in files if path.parent in folders), "")


def sqlite_template(start: Template, for_all: Path, for_one: Path, run: str) -> Path:
    """Find or make the template of SQLite.

    Args:
        start: what it is to be.
        for_all: where such files are that other runs find, too.
        for_one: where those are that are for this run alone.
        run: as for `Template.key`.

    Returns:
        The file; it is copied, and not written to.

    Raises:
        TemplateFailed: a revision does not run.
    """
    key = start.key(run)
    folder = for_one if key.startswith(whose(run)) else for_all
    file = folder / f"{key}.db"
    folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder, key):
        if not _is_whole(file):
            with scratch_database("sqlite") as url:
                start.build(url)
                write_whole(file, Path(str(url.database)).read_bytes())
        os.utime(file)
        for other in {*folder.iterdir()} - {file}:
            with suppress(OSError):  # Another worker was faster.
                if other.stat().st_mtime < time.time() - _UNUSED:
                    other.unlink()
    return file


@contextmanager
def _one_at_a_time(folder: Path, key: str) -> Iterator[None]:
    """Let no other process make the same template; each has a byte of its own of one file, which stays empty."""
    with folder.joinpath("lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX, 1, int(key[-8:], 16))
        yield


def _is_whole(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    except sqlite3.Error:
        return False


def postgres_template(start: Template, server: URL, maintenance: Connection, run: str, unfinished: str) -> str:
    """Find or make the template of PostgreSQL.

    Args:
        start: what it is to be.
        server: the URL of its maintenance database.
        maintenance: a connection to that, which commits each statement.
        run: as for `Template.key`.
        unfinished: the name of the database until it is whole.

    Returns:
        The name of the database; nobody can connect to it.

    Raises:
        TemplateFailed: a revision does not run.
    """
    key = start.key(run, str(server.username))
    name = f"{_TEMPLATE}{key}"
    with _alone(maintenance, int(key[-15:], 16)):
        if not _is_there(maintenance, name):
            maintenance.execute(text(f"CREATE DATABASE {unfinished} TEMPLATE template0"))
            try:
                start.build(server.set(database=unfinished))
                # Copying waits for whoever is connected.
                maintenance.execute(text(f"ALTER DATABASE {unfinished} ALLOW_CONNECTIONS false"))
                with suppress(ProgrammingError):  # A worker that is connected elsewhere on this server was faster.
                    maintenance.execute(text(f"ALTER DATABASE {unfinished} RENAME TO {name}"))
            finally:
                maintenance.execute(text(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"))
        note_use(maintenance, name)
    return name


def _is_there(maintenance: Connection, name: str) -> bool:
    return bool(maintenance.scalar(text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": name}))


@contextmanager
def _alone(maintenance: Connection, number: int) -> Iterator[None]:
    """Let nobody else make the same template; Ctrl-C ends the waiting."""
    while not maintenance.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}):
        time.sleep(0.05)
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


def drop_those_for(run: str, server: URL) -> None:
    """Drop the templates on a server that are for one run alone, which is over."""
    own = text("SELECT datname FROM pg_database WHERE starts_with(datname, :beginning)")
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with suppress(DBAPIError), engine.connect() as maintenance:  # If the server is gone, it is too late for a word.
        for name in maintenance.scalars(own, {"beginning": f"{_TEMPLATE}{whose(run)}"}).all():
            with suppress(DBAPIError):  # A worker that was killed is still connected.
                maintenance.execute(text(f"DROP DATABASE IF EXISTS {name}"))


def drop_unused(maintenance: Connection) -> None:
    """Drop the templates, and the databases of tests that failed, that nobody has asked for of late."""
    for name in _unused(maintenance):
        if name in _unused(maintenance):  # Another run may have asked for it meanwhile.
            with suppress(DBAPIError):  # Or it copies it right now.
                maintenance.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))


def _unused(maintenance: Connection) -> Sequence[str]:
    found = maintenance.execute(
        text("""
            SELECT datname FROM pg_database, shobj_description(oid, 'pg_database') AS note
            WHERE datname ~ :names AND CASE WHEN note ~ :form
            THEN substr(note, :rest)::bigint < extract(epoch FROM now()) - :seconds ELSE false END
        """),
        {"names": _OURS, "form": f"^{_NOTE}[0-9]{{1,18}}$", "rest": len(_NOTE) + 1, "seconds": _UNUSED},
    )
    return found.scalars().all()
