"""Finds the process that holds a lock on an SQLite file, in `/proc/locks` (Linux only)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

# The bytes that SQLite locks: in the file, or in WAL mode in the file beside it.
_PENDING, _RESERVED, _SHARED = 0x40000000, 0x40000001, range(0x40000002, 0x40000002 + 510)
_WAL_WRITE, _WAL_READ = 120, range(123, 128)


def holder(file: str) -> str:
    """Return the process that holds the write lock on an SQLite file; empty if none is found (Linux only)."""
    return _first(file, {_RESERVED, _PENDING}, {_WAL_WRITE}, "WRITE")


def blocker(file: str) -> str:
    """Return the process that prevents others from reading an SQLite file; empty if none is found (Linux only)."""
    return _first(file, {_PENDING, *_SHARED}, set(), "WRITE")


def reader(file: str) -> str:
    """Return a process that reads an SQLite file and blocks a commit; empty if none is found (Linux only)."""
    return _first(file, set(_SHARED), set(_WAL_READ), "READ")


def _first(file: str, in_file: set[int], in_wal: set[int], kind: str) -> str:
    own = os.getpid()
    for path, wanted in ((file, in_file), (f"{file}-shm", in_wal)):
        for pid in _holding(path, wanted, kind):
            if pid != own or kind == "WRITE":
                return _describe(pid)
    return ""


def _holding(path: str, wanted: set[int], kind: str) -> Iterator[int]:
    try:
        inode = Path(path).stat().st_ino  # Only `stat`: opening and closing the file would drop our own locks.
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:  # 1: POSIX  ADVISORY  WRITE 4711 fe:00:262144 1073741825 1073741825
        fields = line.split()
        if fields[1] != "POSIX" or fields[3] != kind or fields[5].rpartition(":")[2] != str(inode):
            continue
        last = fields[7]
        bytes_ = range(int(fields[6]), int(last) + 1) if last.isdigit() else range(int(fields[6]), int(fields[6]) + 1)
        if any(byte in wanted for byte in bytes_) and int(fields[4]) > 0:
            yield int(fields[4])


def _describe(pid: int) -> str:
    if pid == os.getpid():
        return f"pid {pid}, this process itself"
    folder = Path(f"/proc/{pid}")
    try:  # The name and not the command line, which may hold a password.
        return f"pid {pid} ({(folder / 'comm').read_text().strip()}), a process since {_started(folder)}"
    except (OSError, ValueError, IndexError):
        return f"pid {pid}"


def _started(folder: Path) -> str:
    """Return the start time of a process. `/proc` gives it as a number of clock ticks since the start of the system."""
    ticks = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
    boot = next(int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line[:6] == "btime ")
    return f"{datetime.fromtimestamp(boot + ticks / os.sysconf('SC_CLK_TCK'), UTC):%Y-%m-%d %H:%M:%S} UTC"
