"""Codes `app.E15x`: errors of the lock that allows only one desktop application for each database."""

from __future__ import annotations

from pathlib import Path

from antarest.migration.errors.base import Hint
from antarest.web.errors.launching import AppError


class InstanceLockUnusable(AppError, code="app.E151"):
    """The lock file of the desktop application cannot be written.

    Why: the folder for lock files is not writable, or the disk is full.

    To do: set `XDG_RUNTIME_DIR` to a folder that this user can write.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"the lock file of the application cannot be written: {reason}",
            Hint("Name another folder for lock files", "export XDG_RUNTIME_DIR=..."),
            details={"file": str(path)},
        )


class InstanceSilent(AppError, code="app.E152"):
    """The desktop application of this database is already running, but it does not answer.

    Why: the running application hangs, or it is about to stop.

    To do: wait a little and start again. If the application hangs, stop the process that the message names. The
    database is safe, because this process only reads the database.
    """

    def __init__(self, pid: int, seconds: float) -> None:
        self.pid, self.seconds = pid, seconds
        super().__init__(
            f"the application is already running, but did not answer within {seconds:.0f} s",
            *([Hint("If it hangs, stop it, then start again", f"kill {pid}")] if pid else []),
            details={"process": str(pid)} if pid else {},
        )
