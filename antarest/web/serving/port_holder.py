"""Finds the program that listens on a port of this machine (Linux only)."""

from __future__ import annotations

import shlex
from pathlib import Path

_LISTENING = "0A"
_LONGEST = 80


def holder_of(port: int) -> str:
    """Return the program that listens on a port, such as `python3 main.py (process 4711)`; empty if it is unknown."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(each.readlink()) in sockets for each in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                return f"{_short(shlex.join(filter(None, words)))} (process {process.name})"
        except OSError:  # The process is another user's, or has ended.
            continue
    return ""


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *rest = line.split()
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                found.add(rest[5])
    return found


def _short(command: str) -> str:
    return command if len(command) <= _LONGEST else f"{command[: _LONGEST - 3]}..."
