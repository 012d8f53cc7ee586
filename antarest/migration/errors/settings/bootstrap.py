"""The checks at the start of a program. They need the standard library only.

With a Python that is too old, or that lacks packages, the program prints what to do instead of a traceback.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

_OLDEST = (3, 11)
_PACKAGES = ("alembic", "psycopg2", "sqlalchemy", "yaml")
_SYSTEMS = ("linux", "darwin")
_USAGE = 2


def prepare(script: str, *packages: str, extra: str = "", always: bool = False) -> int:
    """Check whether a program can run here, without importing the program.

    Args:
        script: the arguments with which Python runs the program, such as `antarest/main.py`.
        packages: the packages that the program needs besides the packages of the workflow.
        extra: the extra of this package that installs `packages`.
        always: whether the program ends on Ctrl-C or SIGTERM even if the parent process made it ignore these signals.

    Returns:
        The exit code: 0 if the program can run. With any other code, the next steps have been printed.
    """
    prepare_streams()
    if code := refuse_system():
        return code
    # Nothing has begun, so a signal ends the program at once. Without a handler, process 1 of a container ignores it.
    for each in (signal.SIGINT, signal.SIGTERM):
        if always or signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, lambda number, _frame: os._exit(128 + number))
    if sys.version_info < _OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:2])
        return _refuse(f"Python {found} is too old; 3.11 or newer is needed", script, "")
    for names, of in ((_PACKAGES, ""), (packages, extra)):
        if missing := [name for name in names if not _is_installed(name)]:
            return _refuse(f"this Python has no package {missing[0]}: {sys.executable}", script, of)
    return 0


def prepare_streams() -> None:
    """Open the standard streams that the parent process has closed (`<&- >&-`), and let all of them accept any text.

    Otherwise the next file that the program opens would get the number of the closed stream. Output to the stream would
    go into this file, which could be a database.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # A terminal may know ASCII only.


def refuse_system() -> int:
    """Refuse a system that is neither Linux nor macOS: other systems lack the locks that the workflow uses.

    Returns:
        The exit code: 0 if the system is supported.
    """
    if sys.platform in _SYSTEMS:
        return 0
    fact = f"this program runs on Linux and macOS, and not on {sys.platform}"
    return _print(fact, ["On Windows, start it in the Windows Subsystem for Linux."])


def finish(code: int) -> int:
    """Ignore signals from now on, so that they cannot change the exit code of a program that is done.

    Python removes its signal handlers shortly before its process ends. A signal after that would kill the process. The
    search for garbage at the end of the process is left out too, because the system frees the memory anyway.

    Args:
        code: the exit code.

    Returns:
        The same exit code.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    gc.freeze()
    return code


def _is_installed(name: str) -> bool:
    """Return whether a package is installed. A plain folder, such as `alembic/` of this checkout, is not a package."""
    spec = find_spec(name)
    return spec is not None and spec.origin is not None


def _refuse(fact: str, script: str, extra: str) -> int:
    """Refuse to run, and name the commands that install the missing package."""
    ways_on = ["  Install what is needed:    make install", f"  Then start it with that:   .venv/bin/python {script}"]
    if Path(__file__).parents[3].joinpath("_alembic").is_dir():  # installed from a wheel; see `location`
        ways_on = ["  Install the release again, with what it needs:   pip install --requirement requirements-run.lock"]
        if extra:
            ways_on.insert(0, f"  Install the extra:   pip install 'antarest[{extra}]'")
    return _print(fact, ways_on)


def _print(fact: str, ways_on: list[str]) -> int:
    """Print an error in the form of all errors. The error classes are not used, because their import could fail."""
    sys.stderr.write("\n".join([f"error app.E106: {fact}", "Nothing was changed.", *ways_on]) + "\n")
    return _USAGE
