"""A real PgBouncer before a PostgreSQL server, with the package's configuration and the settings of a test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor
from sqlalchemy import URL

from antarest.migration.scratch.embedded_postgres import free_port

Mode = Literal["transaction", "session"]

_STARTS = 120  # seconds in which it must listen
_STOPS = 120


@dataclass(frozen=True)
class Bouncer:
    """A running PgBouncer.

    Attributes:
        url: the database through the PgBouncer, with the role for which it was started.
        direct: the same database without the PgBouncer.
        log: the log file of the PgBouncer.
    """

    url: URL
    direct: URL
    log: Path

    def as_role(self, role: URL) -> URL:
        """Return the URL of the database through the PgBouncer, as another role."""
        return self.url.set(username=role.username, password=role.password)

    def show(self, what: str) -> list[dict[str, Any]]:
        """Return the rows of a SHOW command, such as POOLS, for this database."""
        console = psycopg2.connect(
            host=self.url.host,
            port=self.url.port,
            user=self.url.username,
            password=self.url.password,
            dbname="pgbouncer",
            cursor_factory=RealDictCursor,
        )
        console.autocommit = True  # The console has no BEGIN.
        with closing(console), console.cursor() as cursor:
            cursor.execute(f"SHOW {what}")
            rows: list[dict[str, Any]] = [dict(row) for row in cursor.fetchall()]
        return [row for row in rows if row["database"] == self.url.database]


@contextmanager
def bouncer(database: URL, *roles: URL, mode: Mode = "transaction", **settings: object) -> Iterator[Bouncer]:
    """Run a PgBouncer on a free port of this host; it ends with the block.

    Args:
        database: the database behind the PgBouncer, with a role that has a password.
        roles: other roles that may log in, each with its password.
        mode: the mode, which decides when a connection to the server goes back to the pool.
        settings: further settings of the section [pgbouncer].
    """
    program = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    if program is None:
        pytest.fail("PgBouncer is not installed; Debian and Ubuntu have it:  apt-get install pgbouncer")
    with tempfile.TemporaryDirectory(prefix="antarest-pgbouncer-") as name:
        port = free_port()
        folder = Path(name)
        own = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "pool_mode": mode}
        _configure(folder, database, [database, *roles], {**own, **settings})
        with _running([program, str(folder / "pgbouncer.ini")], folder, port):
            yield Bouncer(database.set(host="127.0.0.1", port=port, query={}), database, folder / "log")


def _configure(folder: Path, database: URL, roles: list[URL], settings: Mapping[str, object]) -> None:
    fixed = {
        "auth_type": "scram-sha-256",
        "auth_file": folder / "userlist.txt",
        "admin_users": database.username,
        "logfile": folder / "log",
    }
    server = f"host={database.host or database.query.get('host', '127.0.0.1')} port={database.port or 5432}"
    lines = ["[databases]", f"* = {server}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in {**fixed, **settings}.items()]
    (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
    words = [tuple(str(word or "").replace('"', '""') for word in (role.username, role.password)) for role in roles]
    (folder / "userlist.txt").write_text("".join(f'"{name}" "{password}"\n' for name, password in words))


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    account: dict[str, Any] = {}
    if os.geteuid() == 0:  # PgBouncer refuses to be root.
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for path in (folder, *folder.iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True, **account)
    try:
        _wait_until_it_listens(process, folder / "log", port)
        yield
    finally:
        process.terminate()  # PgBouncer stops at once, without waiting for clients.
        process.wait(_STOPS)


def _wait_until_it_listens(process: subprocess.Popen[bytes], log: Path, port: int) -> None:
    end = time.monotonic() + _STARTS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text() if log.exists() else "nothing"
                pytest.fail(f"PgBouncer does not listen ({error}); it said: {said}")
            time.sleep(0.05)
        else:
            return
