"""A Python process that has imported packages. For each request it forks, and the fork runs a program.

`processes.py` starts it with one end of a socket, and sends the requests. One server imports only third-party packages,
because its imports are visible in each program. Another server also imports the package of the repository. The server
ends when the other end of the socket is closed.

A fork differs from a new Python in four ways: a traceback begins with a line of this file, `ps` shows the command line
of the server, hashes have the seed of the server, and Python is not taken apart at the end. That would take longer than
many programs.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import importlib
import io
import json
import linecache
import os
import runpy
import signal
import socket
import sys
from importlib.machinery import BuiltinImporter, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

PACKAGES = (
    "alembic.command",
    "alembic.config",
    "fastapi_offline",
    "invoke.main",
    "jinja2",
    "platformdirs",
    "psycopg2.extras",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.orm",
    "uvicorn",
    "yaml",
)
_STDERR = 2
_IMPORTED: dict[str, ModuleType] = {}
_ENDS_WITH: list[int] = []  # the exit code, once it is known
_LONGEST = 1_000_000  # bytes of a request; the socket allows less


def main() -> CodeType | str:
    """Serve requests. Return in each fork, with the code or the module that it has to run."""
    number, root, *modules = sys.argv[1:]
    connection = socket.socket(fileno=int(number))
    del sys.path[0]  # the folder of this file
    atexit.register(_end)  # the first registered function is called last
    for name in PACKAGES:
        importlib.import_module(name)
    sys.path.insert(0, root)  # A copy of the repository can have other modules than those that are installed.
    for name in modules:
        importlib.import_module(name)
    sys.path.remove(root)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the client, which then ends
    _IMPORTED.update({name: sys.modules[name] for name in sys.modules if name != "__main__"})
    gc.collect()
    gc.freeze()  # memory that no collection touches stays shared
    connection.send(json.dumps(sorted({name.partition(".")[0] for name in _IMPORTED})).encode())
    return _become(*_next_program(connection))


def _end() -> None:
    """End this process after everything that a program can notice of its end.

    The threads have ended, and the other functions of `atexit` have run. Only the streams and the objects of the
    program's own modules are left. If a stream cannot be flushed, Python prints an error.
    """
    try:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is not None:
                getattr(sys, name).flush()
        for name in sys.modules.keys() - _IMPORTED.keys():
            vars(sys.modules[name]).clear()
        gc.collect()
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is not None:
                getattr(sys, name).flush()
    except (OSError, ValueError):
        return
    if _ENDS_WITH:
        os._exit(_ENDS_WITH[0])


def _next_program(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork a process for each request, and send its id. Return in the fork, with its streams."""
    while True:
        message, streams, _, _ = socket.recv_fds(connection, _LONGEST, 3)
        if not message:
            _leave()
        here, there = socket.socketpair()
        with here, there:
            between = os.fork()
            if not between:
                # The server forks twice. So the program is an orphan, which becomes a child of the client.
                if os.fork():
                    _leave()
                connection.close()
                request = json.loads(message)
                there.recv(1)  # it is an orphan now
                _enter(request)
                there.send(str(os.getpid()).encode())
                return request, streams
            for descriptor in (*streams, there.detach()):
                os.close(descriptor)
            os.waitpid(between, 0)
            here.send(b"!")
            connection.send(here.recv(32) or b"0")


def _leave() -> NoReturn:
    os._exit(0)


def _enter(request: dict[str, Any]) -> None:
    """Set up the fork like a new process, before its id is sent."""
    if request["new_session"]:
        os.setsid()
    if request["group"] >= 0:
        os.setpgid(0, request["group"])
    os.umask(request["umask"])
    os.chdir(request["folder"])
    Path("/proc/self/comm").write_text(request["name"], encoding="utf-8")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # before it behaves like a Python


def _become(request: dict[str, Any], streams: list[int]) -> CodeType | str:
    """Set up the Python of this fork like a new one, and return the code to run."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(len(streams), os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.executable, sys.orig_argv = request["interpreter"], request["words"]
    sys.argv = [request["option"] or request["program"], *request["arguments"]]
    sys.path[:] = [request["first"], *dict.fromkeys([*request["paths"], *sys.path])]
    _renew(0, "r", sys.stdin)
    _renew(1, "w", sys.stdout)
    _renew(2, "w", sys.stderr)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return _program(request)


def _renew(number: int, mode: str, stream: Any) -> None:
    """Initialise a standard stream again, as the same object, since imported modules such as Alembic may hold it."""
    new = _stream(number, mode, stream)
    how = (new.encoding, new.errors, "\n", new.line_buffering, new.write_through)
    stream.detach()
    stream.__init__(new.detach(), *how)
    stream.mode = mode


def _stream(number: int, mode: str, like: Any) -> Any:
    """Return a standard stream as Python creates it: see create_stdio in Python/pylifecycle.c."""
    at_once = like.write_through  # PYTHONUNBUFFERED
    file = open(number, f"{mode}b", 0 if at_once and mode == "w" else -1, closefd=False)  # noqa: SIM115 - it stays open
    binary: Any = file
    getattr(binary, "raw", binary).name = like.name
    by_line = not at_once and (binary.isatty() or number == _STDERR)
    text: Any = io.TextIOWrapper(binary, like.encoding, like.errors, "\n", by_line, at_once)
    text.mode = mode
    return text


def _program(request: dict[str, Any]) -> CodeType | str:
    """Return the code to run in a new module `__main__`: that of `-m`, of `-c`, or of a file."""
    option, program = request["option"], str(request["program"])
    sys.modules["__main__"] = ModuleType("__main__")
    names = vars(sys.modules["__main__"])
    names.update(__builtins__=builtins, __annotations__={}, __loader__=BuiltinImporter)
    if option == "-m":
        return program
    if option == "-c":
        if sys.version_info >= (3, 13):  # From there on a traceback shows its lines.
            linecache.cache["<string>"] = (len(program), None, program.splitlines(keepends=True), "<string>")
        return compile(program, "<string>", "exec", dont_inherit=True)
    path = os.path.join(request["folder"], program)  # noqa: PTH118 - as Python joins them, "./" and all
    names.update(__file__=path, __cached__=None, __loader__=SourceFileLoader("__main__", path))
    with io.open_code(path) as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


if __name__ == "__main__":
    _found = main()
    try:
        if isinstance(_found, str):
            runpy._run_module_as_main(_found)  # type: ignore[attr-defined]  # as `python -m` does
        else:
            exec(_found, vars(sys.modules["__main__"]))  # noqa: S102 - as `python FILE` does
        _ENDS_WITH.append(0)
    except SystemExit as ended:
        _ENDS_WITH.append((ended.code or 0) & 0xFF if isinstance(ended.code, int | None) else 1)
        raise
    except Exception:
        _ENDS_WITH.append(1)
        raise
