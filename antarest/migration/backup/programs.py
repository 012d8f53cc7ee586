"""Finds pg_dump and pg_restore for the version of a server, and runs them without showing the password."""

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

from ..database.driver_errors import LOCK_TABLE
from ..errors.facts.backup import ProgramsMissing
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import SECRETS, redact, redact_url

_NAMES = ("pg_dump", "pg_restore")
_KNOWN = (  # searched before the PATH, which may have a wrapper that chooses another version
    "/usr/lib/postgresql/{major}/bin",  # Debian
    "/usr/pgsql-{major}/bin",  # Red Hat
    "/usr/lib/postgresql{major}/bin",  # SUSE, Alpine
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/Applications/Postgres.app/Contents/Versions/{major}/bin",
    "/Library/PostgreSQL/{major}/bin",
)


_APPLICATION = "antarest-backup"
# The parameters of a URL that may name or hold a secret, and libpq's variables for them.
_VARIABLES = {"options": "PGOPTIONS", "passfile": "PGPASSFILE", "service": "PGSERVICE"}


class ProgramFailed(Exception):
    """A program ended with an error. The text is the program's own message."""


@dataclass(frozen=True)
class Programs:
    """The client programs for the version of one server.

    Attributes:
        folder: the folder of the programs.
        url: the URL of the database.
        target: the connection parameters of libpq, without a password.
    """

    folder: Path
    url: URL
    target: Mapping[str, str]

    @classmethod
    def of(cls, connection: Connection, db: DbConfig, folder: Path | None = None) -> Programs:
        """Find the programs for the server of a connection. The programs connect to the same server.

        Raises:
            ProgramsMissing: there are no programs of the server's major version.
        """
        driver: Any = connection.connection.dbapi_connection
        info = driver.info
        url = db.migration_url
        # Only the options of the URL: the libpq of the programs may not know all options of our driver.
        target = {key: str(value) for key, value in connection.dialect.create_connect_args(url)[1].items()}
        # A URL can name several servers: take the server of the connection.
        target |= {"host": info.host, "port": str(info.port), "application_name": f"{_APPLICATION}-{os.getpid()}"}
        hidden = {*SECRETS, "hostaddr", *_VARIABLES}  # Every user can see the arguments of a program.
        shown = {key: value for key, value in target.items() if key not in hidden}
        return cls(folder or _find(info.server_version // 10_000, db), url, shown)

    @property
    def application(self) -> str:
        """The application name that the server shows for the sessions of pg_dump and pg_restore."""
        return self.target["application_name"]

    @contextmanager
    def running(self, name: str, *arguments: str | Path, database: str = "", **streams: Any) -> Iterator[IO[bytes]]:
        """Run a program, and yield its output to read, or its input to write.

        When this process is killed, the pipe to the program breaks, and the program ends.

        Args:
            name: pg_dump or pg_restore.
            arguments: the arguments of the program.
            database: the database to connect to; empty for no connection.
            streams: either `stdout` or `stdin`, as `subprocess.PIPE`. This stream is yielded.

        Raises:
            ProgramFailed: the program ended with an error.
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
                    pass  # The program ended first, and its message has the reason.
                except BaseException:
                    process.kill()
                    with suppress(BrokenPipeError):
                        stream.close()
                    raise
            if process.returncode:
                said.seek(0)
                raise ProgramFailed(self._reason(name, said.read().decode(errors="replace"), process.returncode))

    def _environment(self) -> dict[str, str]:
        # The password is in the environment, since every user could read it in the arguments.
        password = {"PGPASSWORD": str(self.url.password)} if self.url.password else {}
        others = {variable: str(self.url.query[key]) for key, variable in _VARIABLES.items() if key in self.url.query}
        return {**os.environ, "LC_ALL": "C", **password, **others}

    def _reason(self, name: str, said: str, code: int) -> str:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if "error:" in line or "FATAL:" in line] or lines
        reason = errors[0] if errors else f"{name} ended with code {code}"
        reason += f" ({LOCK_TABLE} is too small)" if LOCK_TABLE in said else ""
        return redact(re.sub(r"^\S*?(pg_dump|pg_restore): ", r"\1: ", reason)[:300])


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
    """Return the version of a program, such as `15.8`; empty if there is no such program."""
    if not os.access(program, os.X_OK):
        return ""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    version = re.search(r"\(PostgreSQL\) (\d+\S*)", said)
    return version[1] if version else ""
