"""pg_dump and pg_restore: found for the version of a server, and run without a password that others could see."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlalchemy import URL, Connection

from ..errors.facts.backup import ProgramsMissing
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import SECRETS, redact, redact_url

_NAMES = ("pg_dump", "pg_restore")
_KNOWN = (  # before the PATH, where a wrapper may stand that chooses a version by itself
    "/usr/lib/postgresql/{major}/bin",  # Debian
    "/usr/pgsql-{major}/bin",  # Red Hat
    "/usr/lib/postgresql{major}/bin",  # SUSE, Alpine
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/Applications/Postgres.app/Contents/Versions/{major}/bin",
    "/Library/PostgreSQL/{major}/bin",
)


class ProgramFailed(Exception):
    """A program ended with an error; the text is what it said."""


@dataclass(frozen=True)
class Programs:
    """The client programs of one server.

    Attributes:
        folder: where they are.
        url: the server and database.
        target: what they connect with, as libpq takes it, without a password.
    """

    folder: Path
    url: URL
    target: Mapping[str, str]

    @classmethod
    def of(cls, connection: Connection, db: DbConfig) -> Programs:
        """Find the programs for the server of a connection; they will connect to just that server.

        Raises:
            ProgramsMissing: there are none of its major version.
        """
        driver: Any = connection.connection.dbapi_connection
        info = driver.info
        url = db.migration_url
        # Only what the URL says: our libpq may know options that those of the programs do not.
        target = {key: str(value) for key, value in connection.dialect.create_connect_args(url)[1].items()}
        # A URL may name several servers: this is the one that we are on.
        target |= {"host": info.host, "port": str(info.port), "application_name": "antarest-backup"}
        hidden = {*SECRETS, "hostaddr"}  # Every user sees the arguments of a program.
        shown = {key: value for key, value in target.items() if key not in hidden}
        return cls(_find(info.server_version // 10_000, db), url, shown)

    @contextmanager
    def running(self, name: str, *arguments: str | Path, database: str = "", **streams: Any) -> Iterator[IO[bytes]]:
        """Run a program during the block, which reads its output, or writes its input: the stream that is given.

        It ends with this process: its pipe is broken then.

        Args:
            name: pg_dump or pg_restore.
            arguments: its arguments.
            database: the database to connect to; none is connected to without it.
            streams: either `stdout` or `stdin`, as `subprocess.PIPE`.

        Raises:
            ProgramFailed: it ended with an error.
        """
        command = [self.folder / name, *arguments]
        if database:
            from psycopg2.extensions import make_dsn

            command += ["--no-password", f"--dbname={make_dsn(**{**self.target, 'dbname': database})}"]
        with tempfile.TemporaryFile() as said:
            with subprocess.Popen(command, env=self._environment(), stderr=said, **streams) as process:
                stream: Any = process.stdout or process.stdin
                try:
                    yield stream
                    stream.close()
                except BrokenPipeError:
                    pass  # It ended first, and says why.
                except BaseException:
                    process.kill()
                    with suppress(BrokenPipeError):
                        stream.close()
                    raise
            if process.returncode:
                said.seek(0)
                raise ProgramFailed(self._reason(name, said.read().decode(errors="replace"), process.returncode))

    def _environment(self) -> dict[str, str]:
        # The password is in the environment, which only this user can read, and not in the arguments, which all can.
        password = {"PGPASSWORD": str(self.url.password)} if self.url.password else {}
        return {**os.environ, "LC_ALL": "C", **password}

    def _reason(self, name: str, said: str, code: int) -> str:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        telling = [line for line in lines if "error:" in line or "FATAL:" in line] or lines
        reason = telling[0] if telling else f"{name} ended with code {code}"
        return redact(re.sub(r"^\S*?(pg_dump|pg_restore): ", r"\1: ", reason)[:300], self.url)


def _find(major: int, db: DbConfig) -> Path:
    if db.postgres_programs:
        folders = [db.postgres_programs]
    else:
        search = os.environ.get("PATH", os.defpath).split(os.pathsep)
        folders = [*(Path(each.format(major=major)) for each in _KNOWN), *(Path(each) for each in search if each)]
    found: list[str] = []
    for folder in dict.fromkeys(folders):
        versions = {name: _version(folder / name) for name in _NAMES}
        if all(version.partition(".")[0] == str(major) for version in versions.values()):
            return folder
        found += [f"{name} {version} in {folder}" for name, version in versions.items() if version]
    raise ProgramsMissing(major, found, database=redact_url(db.migration_url))


def _version(program: Path) -> str:
    """The version of a program, such as `15.8`; empty where there is no such program."""
    if not os.access(program, os.X_OK):
        return ""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    version = re.search(r"\(PostgreSQL\) (\d+\S*)", said)
    return version[1] if version else ""
