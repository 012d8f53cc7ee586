"""Start processes in tests: like `Popen` of the standard library, but with a faster start of Python.

A command of ours spends most of its time on imports of SQLAlchemy, Alembic, others and our own modules. A server that
has imported them forks instead (`forkserver.py`). The fork is a child of the test, and has its own id, folder,
environment, streams, signals and exit code. If a fork cannot behave like a new Python, or with ANTAREST_TEST_FRESH=1, a
new Python is started.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import inspect
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, AnyStr

FRESH_VARIABLE = "ANTAREST_TEST_FRESH"
FRESH = {FRESH_VARIABLE: "1"}  # in the environment of a program that reads its command line or the imported modules

_SERVER = Path(__file__).with_name("forkserver.py")
_ROOT = Path(__file__).parents[3]
_PROGRAMS = Path(sys.executable).parent
_ENVIRONMENT = dict(os.environ)  # before any test changes it
_READ_AT_THE_START = re.compile(r"PYTHON(?!PATH$|$)|LANG|LC_|TZ$|LD_|MALLOC_|OPENSSL_")
_RUN_AT_THE_START = {"sitecustomize", "usercustomize"}
_LONGEST = 100_000  # bytes of a request: what one message through a socket may hold anywhere
_PR_SET_CHILD_SUBREAPER = 36
_STARTED = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]  # the one place to hook in


class Popen(subprocess.Popen[AnyStr]):
    """Like `subprocess.Popen`, but forks a Python program from the server if this makes no difference."""

    def _execute_child(self, *arguments: Any) -> None:
        asked = _STARTED.bind(self, *arguments).arguments
        found = _request(asked) if sys.platform == "linux" else None
        if found is None:
            super()._execute_child(*arguments)  # type: ignore[misc]
            return
        request, server = found
        streams = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self.pid = server.fork(request, [number if given == -1 else given for number, given in enumerate(streams)])
        self._child_created = True
        pipes = [asked[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")]
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


class _Server:
    """A server of this process, which ends with this process.

    Attributes:
        imported: the names of the packages that the server has imported.
    """

    def __init__(self, *modules: str) -> None:
        """Start a server that imports some modules beside the third-party packages."""
        self._connection, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_end:
            number = its_end.fileno()
            self._process = subprocess.Popen(
                [sys.executable, _SERVER, str(number), _ROOT, *modules],
                env={name: value for name, value in _ENVIRONMENT.items() if name != "PYTHONPATH"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[number],
            )
        atexit.register(self._end)
        self._asking = threading.Lock()
        self.imported = frozenset(json.loads(self._answer()))

    def fork(self, request: bytes, streams: Sequence[int]) -> int:
        """Let the server fork a program with these streams, and return the process id."""
        with self._asking, _adopting():
            socket.send_fds(self._connection, [request], streams)
            process = int(self._answer())
        assert process, "the fork failed; what was said is on the standard error"
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # an error if it is not our child
        return process

    def _answer(self) -> bytes:
        answer = self._connection.recv(_LONGEST)
        assert answer, "the fork server has ended; what it said is on the standard error"
        return answer

    def _end(self) -> None:
        self._connection.close()
        self._process.wait()


_server = functools.cache(_Server)


@functools.cache
def _own_modules() -> tuple[str, ...]:
    """Return the modules of the repository that the commands import."""
    found = (path.relative_to(_ROOT).with_suffix("") for path in (_ROOT / "antarest" / "migration").rglob("*.py"))
    modules = (path for path in sorted(found) if not path.name.startswith("__") and "testing" not in path.parts)
    return tuple(".".join(path.parts) for path in modules)


@contextmanager
def _adopting() -> Iterator[None]:
    """Make this process the parent of orphans among its descendants: see prctl(2)."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@dataclass(frozen=True)
class _Python:
    """A Python program, as a command line names it.

    Attributes:
        interpreter: the file of the Python.
        name: the name of the file that the system has to start.
        words: the command line, as the system passes it to the interpreter.
        option: "-m", "-c", or "" for a file.
        program: the module, the code or the file.
        arguments: the remaining arguments.
    """

    interpreter: str
    name: str
    words: list[str]
    option: str
    program: str
    arguments: list[str]

    @classmethod
    def of(cls, words: list[str], search: str, folder: Path) -> _Python | None:
        """Parse a command line; None if it is not a Python program of this environment, or has flags for Python."""
        program = Path(shutil.which(words[0], path=search) or "")
        interpreter = program
        if not program.name.startswith("python") and program.parent == _PROGRAMS:
            with program.open("rb") as file:
                first = file.readline(_LONGEST)
            interpreter = Path(os.fsdecode(first.removeprefix(b"#!").strip()))
            words = [str(interpreter), str(program), *words[1:]]
        if {program.parent, interpreter.parent} != {_PROGRAMS}:
            return None
        match words[1:]:
            case ["-m" | "-c" as option, text, *arguments]:
                return cls(str(interpreter), program.name, words, option, text, arguments)
            case [script, *arguments] if (folder / script).is_file():
                return cls(str(interpreter), program.name, words, "", script, arguments)
        return None

    def first_path(self, folder: Path) -> str:
        """Return the first entry of Python's path, in this folder."""
        if self.option:
            return str(folder) if self.option == "-m" else ""
        return str((folder / self.program).resolve().parent)


def _request(asked: Mapping[str, Any]) -> tuple[bytes, _Server] | None:
    """Return the request and its server; None if a fork would behave differently."""
    given = os.environ if asked["env"] is None else asked["env"]
    environment = {os.fsdecode(name): os.fsdecode(value) for name, value in given.items()}
    folder = Path(os.fsdecode(asked["cwd"] or ".")).resolve()
    is_one_word = isinstance(asked["args"], str | bytes | os.PathLike)
    words = [os.fsdecode(word) for word in ([asked["args"]] if is_one_word else asked["args"])]
    python = _Python.of(words, environment.get("PATH", os.defpath), folder)
    if not (python and _is_plain(asked) and _is_read_alike(environment) and folder.is_dir()):
        return None
    first = python.first_path(folder)
    listed = environment.get("PYTHONPATH")
    paths = [os.path.abspath(folder / path) for path in listed.split(os.pathsep)] if listed else []  # noqa: PTH100
    folders = [Path(path) for path in (first or folder, *paths)]
    if any(_hides(each, _server().imported | _RUN_AT_THE_START) for each in folders):
        return None
    above = [each.parent for each in folders]  # A program may add the folder above its own.
    has_another = any(_hides(each, {"antarest"}) for each in (*folders, *above) if each != _ROOT)
    process = {
        "folder": str(folder),
        "environment": environment,
        "umask": _umask() if asked["umask"] == -1 else asked["umask"],
        "new_session": asked["start_new_session"],
        "group": -1 if asked["process_group"] is None else asked["process_group"],
    }
    request = json.dumps({**vars(python), **process, "first": first, "paths": paths}).encode()
    server = _server() if has_another else _server(*_own_modules())
    return (request, server) if len(request) < _LONGEST else None


def _is_plain(asked: Mapping[str, Any]) -> bool:
    """Return whether no argument asks for work of the system before the new program starts."""
    is_free = asked["close_fds"] and asked["restore_signals"]
    also = ("executable", "pass_fds", "preexec_fn", "shell")
    accounts = ("gid", "gids", "uid")
    return is_free and not any(asked[name] for name in also) and all(asked[name] is None for name in accounts)


def _is_read_alike(environment: Mapping[str, str]) -> bool:
    """Return whether the settings that Python reads at its start are the same as those of the server."""

    def read(variables: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in variables.items() if _READ_AT_THE_START.match(name)}

    return not environment.get(FRESH_VARIABLE) and read(environment) == read(_ENVIRONMENT)


def _hides(folder: Path, names: Collection[str]) -> bool:
    """Return whether a folder has a module with one of the names, which would hide an imported one."""
    if not folder.is_dir():
        return folder.exists()  # an archive may have it
    found = [path for path in folder.iterdir() if path.name.partition(".")[0] in names]
    return any(path.suffix in {".py", ".pyc", ".so"} or (path / "__init__.py").exists() for path in found)


def _umask() -> int:
    """Return the umask, which `os.umask` only returns when it is changed."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"^Umask:\s*(\d+)$", status, re.MULTILINE)[0], 8)
