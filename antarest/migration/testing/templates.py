"""Templates for the databases of tests. Each template is migrated once; all workers and later runs use it.

The name of a template depends on everything that its content depends on. When a revision changes, the name changes, and
a new template is created. Templates that were not used for some time are deleted.
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
from ..errors.settings.urls import ENGINES
from ..errors.settings.whole_file import write_whole
from ..scratch.databases import create_database, scratch_database
from ..scratch.fingerprint import fingerprints, stands_alone
from ..scratch.migrated import loaded_revisions
from ..snapshot.file import digest_at
from ..verify.rows.filler import fill

if TYPE_CHECKING:
    from ..verify.target import Target

TEST = "antarest_test_"
"""The beginning of the names of test databases."""

_FILLS_AND_RUNS = ("verify/rows/*", "verify/target")  # our modules that only templates depend on
_UNUSED = 2 * 24 * 3600  # seconds; a template that was not used for this time is deleted
_TEMPLATE = "antarest_template_"
_OURS = f"^({_TEMPLATE}|{TEST})[0-9a-z_]+$"


@dataclass(frozen=True, eq=False)
class Template:
    """The content of a template.

    Attributes:
        target: the project with the revisions.
        revision: the revision of the database; `head` for all heads.
        with_rows: whether every table has rows.
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
        """Return the name of the template.

        Args:
            run: the id of the run. If a revision depends on more than its own text, the template is only for this run,
                and its name begins with `prefix_of(run)`.
            role: the role of PostgreSQL that owns the template.

        Returns:
            A name of 40 characters.
        """
        target, revisions = self.target, self._revisions
        options = {**target.options(), "commits_each": target.commits_each}
        names = fingerprints(target.history, revisions, options, _FILLS_AND_RUNS)
        values = target.rows_file.read_bytes() if self.with_rows and target.rows_file else b""
        is_known = len(names) == len(revisions) and stands_alone(values)
        facts = [revisions, names[-1:], self.with_rows, hashlib.sha256(values).hexdigest(), role]
        facts += [digest_at(target.project, engine) for engine in ENGINES]
        facts += [] if is_known else [run, str(target.project.ini)]
        return f"{'' if is_known else prefix_of(run)}{_hash(repr(facts))}"[:40]

    def build(self, url: URL) -> None:
        """Migrate an empty database to the content of the template.

        If this has failed before on the same engine, the same error is raised again.

        Raises:
            TemplateFailed: a revision fails.
        """
        engine = url.get_backend_name()
        if engine in self._failed:
            raise self._failed[engine]
        with moving(url) as connection:
            try:
                loaded = loaded_revisions(self.target.project, connection, self._heads)
                if loaded < len(self._revisions):
                    self.target.runner.upgrade(connection, self._heads)
            except ScratchRunFailed as failed:
                self._failed[engine] = TemplateFailed(
                    f"{_failed_file(failed, self.target.project.versions)}{failed.reason}"
                )
                raise self._failed[engine] from failed
            if self.with_rows:
                values = self.target.values_at(self._revisions)
                with connection.begin():
                    fill(connection, values=values, exclude=[self.target.project.version_table.name])


def prefix_of(run: str) -> str:
    """Return the prefix of the names of the templates that only one run uses."""
    return _hash(run)[:12]


def _hash(text_: str) -> str:
    return hashlib.sha256(text_.encode()).hexdigest()


class TemplateFailed(Exception):
    """A revision of a template failed. The text names the revision file and the reason."""


def _failed_file(failed: Exception, folders: Collection[Path]) -> str:
    """Return the name of the revision file in which an error was raised."""
    cause = failed.__cause__.__traceback__ if failed.__cause__ else None
    files = [Path(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(cause)]
    return next((f"{path.name}: " for path in files if path.parent in folders), "")


def sqlite_template(template: Template, for_all: Path, for_one: Path, run: str) -> Path:
    """Return the file of a template for SQLite. Create the file if it is missing.

    Args:
        template: the content of the template.
        for_all: the folder of templates that other runs share.
        for_one: the folder of templates that are only for this run.
        run: the id of the run of pytest.

    Returns:
        The path of the file, which the caller is allowed to copy, but not to change.

    Raises:
        TemplateFailed: a revision fails.
    """
    key = template.key(run)
    folder = for_one if key.startswith(prefix_of(run)) else for_all
    file = folder / f"{key}.db"
    folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder, key):
        if not _is_whole(file):
            with scratch_database("sqlite") as url:
                template.build(url)
                write_whole(file, Path(str(url.database)).read_bytes())
        os.utime(file)
        for other in {*folder.iterdir()} - {file}:
            with suppress(OSError):  # another worker has deleted it
                if other.stat().st_mtime < time.time() - _UNUSED:
                    other.unlink()
    return file


@contextmanager
def _one_at_a_time(folder: Path, key: str) -> Iterator[None]:
    """Lock out other processes that create the same template. For each template, one byte of a file is locked."""
    with folder.joinpath("lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX, 1, int(key[-8:], 16))
        yield


def _is_whole(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    except sqlite3.Error:
        return False


def postgres_template(template: Template, server: URL, maintenance: Connection, run: str, unfinished: str) -> str:
    """Return the name of a template for PostgreSQL. Create the template if it is missing.

    Args:
        template: the content of the template.
        server: the URL of the maintenance database.
        maintenance: a connection to the maintenance database that commits each statement.
        run: the id of the run of pytest.
        unfinished: the name of the database until it is complete.

    Returns:
        The name of the template, which is a database to which nobody can connect.

    Raises:
        TemplateFailed: a revision fails.
    """
    key = template.key(run, str(server.username))
    name = f"{_TEMPLATE}{key}"
    with _one_worker(maintenance, int(key[-15:], 16)):
        if not maintenance.scalar(text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": name}):
            create_database(maintenance, unfinished)
            try:
                template.build(server.set(database=unfinished))
                # PostgreSQL cannot copy a database with sessions.
                maintenance.execute(text(f"ALTER DATABASE {unfinished} ALLOW_CONNECTIONS false"))
                with suppress(ProgrammingError):  # A worker with another maintenance database was faster.
                    maintenance.execute(text(f"ALTER DATABASE {unfinished} RENAME TO {name}"))
            finally:
                maintenance.execute(text(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"))
        note_use(maintenance, name)
    return name


@contextmanager
def _one_worker(maintenance: Connection, number: int) -> Iterator[None]:
    """Lock out other workers that create the same template. Ctrl-C ends the wait."""
    while not maintenance.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}):
        time.sleep(0.05)
    try:
        yield
    finally:
        maintenance.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})


# ---- cleaning up on a server that goes on

_NOTE = "antarest, for tests, last used "


def note_use(maintenance: Connection, database: str) -> None:
    """Write the present time into the comment of a database, for `drop_unused`."""
    now = maintenance.scalar(text("SELECT extract(epoch FROM now())::bigint"))
    maintenance.execute(text(f"COMMENT ON DATABASE {database} IS '{_NOTE}{now}'"))


def drop_templates_of(run: str, server: URL) -> None:
    """Drop the templates on a server that only one run has used, after this run has ended."""
    own = text("SELECT datname FROM pg_database WHERE starts_with(datname, :beginning)")
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with suppress(DBAPIError), engine.connect() as maintenance:  # The server may have stopped already.
        for name in maintenance.scalars(own, {"beginning": f"{_TEMPLATE}{prefix_of(run)}"}).all():
            with suppress(DBAPIError):  # A killed worker may still be connected.
                maintenance.execute(text(f"DROP DATABASE IF EXISTS {name}"))


def drop_unused(maintenance: Connection) -> None:
    """Drop the templates, and the databases of failed tests, that were not used for some time."""
    for name in _unused(maintenance):
        if name in _unused(maintenance):  # another run may use it now
            with suppress(DBAPIError):  # another run may copy it now
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
