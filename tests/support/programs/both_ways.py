"""Run programs in both ways: forked, and as a new Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.programs.processes import FRESH_VARIABLE, Popen
from tests.support.projects.checkouts import ROOT

HANGS = 300
PROGRAMS = Path(sys.executable).parent

STATE = """
import gc, json, os, signal, subprocess, sys, threading
def stream(text):
    binary = text.buffer
    raw = getattr(binary, "raw", binary)
    kind = [type(each).__name__ for each in (text, binary, raw)]
    by = [text.line_buffering, text.write_through, text.isatty(), text.closed, text.seekable()]
    return [kind, by, text.encoding, text.errors, text.newlines, text.name, text.mode, raw.mode, text.fileno()]
main = sys.modules["__main__"]
print(json.dumps({
    "line": [sys.argv, sys.orig_argv, sys.executable, sys.prefix, open("/proc/self/comm").read()],
    "path": sys.path,
    "folder": os.getcwd(),
    "environment": [dict(os.environ), subprocess.getoutput("env -u _").replace("_FRESH=1", "_FRESH=")],
    "streams": [stream(each) for each in (sys.stdin, sys.stdout, sys.stderr)],
    "the same": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
    "open": sorted(name for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)),
    "family": [os.getppid(), os.getpgid(0) == os.getpid(), os.getsid(0) == os.getpid(), os.getpgid(os.getppid())],
    "signals": [str(signal.getsignal(each)).partition(" at ")[0] for each in sorted(signal.valid_signals())],
    "blocked": [line for line in open("/proc/self/status") if line.startswith(("SigBlk", "SigIgn", "Umask", "Uid"))],
    "interpreter": [str(sys.flags), sys.dont_write_bytecode, sys.warnoptions, gc.isenabled(), gc.get_threshold()],
    "threads": [threading.active_count(), threading.get_native_id() == os.getpid(), len(os.listdir("/proc/self/task"))],
    "hooks": [sys.excepthook is sys.__excepthook__, sys.getrecursionlimit(), sys.gettrace()],
    "main": [main.__dict__ is globals(), main.__name__, type(main.__loader__).__name__, str(main.__spec__)[:60]],
    "names": [sorted(set(globals()) - {"main", "stream"}), main.__package__, globals().get("__file__"), main.__doc__],
    "ours": [name for name in sys.modules if name.partition(".")[0] in ("tests", "tasks")],
}))
"""


def started(
    *command: str | Path, fresh: bool = False, env: dict[str, str] | None = None, stdin: str = "", **options: Any
) -> tuple[int, str, str]:
    """Run a program, and return its exit code and its output without the server's lines of a traceback."""
    added = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), **(env or {})}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = {**os.environ, **added, FRESH_VARIABLE: "1" if fresh else ""}
    with Popen([str(word) for word in command], env=environment, text=True, **{**pipes, **options}) as process:
        out, err = process.communicate(stdin)
    frame = rf'  File "{re.escape(str(ROOT))}/tests/support/programs/forkserver.py".*\n(?:    .*\n)+?(?=  File|[A-Z])'
    return process.returncode, out, re.sub(rf"{frame}|0x[0-9a-f]+", "", err or "")


def both(*command: str | Path, **options: Any) -> tuple[int, str, str]:
    """Run a program in both ways, check that the results are equal, and return the result."""
    fresh, forked = (started(*command, fresh=fresh, **options) for fresh in (True, False))
    assert forked == fresh
    return forked


def code(text: str) -> tuple[str, str, str]:
    """Return the command that runs this code."""
    return sys.executable, "-c", text
