"""Codes `app.E15x`: what keeps the desktop application from its one place."""

from __future__ import annotations

from pathlib import Path

from antarest.migration.errors.base import Hint
from antarest.web.errors.launching import AppError


class SeatUnusable(AppError):
    """The file that says which desktop application serves a database cannot be written.

    Why: the folder for such files is not writable, or the disk is full.

    To do: name a folder that this user can write in `XDG_RUNTIME_DIR`.
    """

    code = "app.E151"

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"the application cannot note that it runs: {reason}",
            details={"file": str(path)},
            hints=[Hint("Name another folder for such files", "export XDG_RUNTIME_DIR=...")],
        )


class InstanceSilent(AppError):
    """The desktop application of this database runs already, and does not answer.

    Why: it hangs, or is about to stop.

    To do: wait a little and start again. If it hangs, end the process that the message names; the database is safe,
    since it was only read.
    """

    code = "app.E152"

    def __init__(self, pid: int, seconds: float) -> None:
        self.pid, self.seconds = pid, seconds
        super().__init__(
            f"the application runs already, and did not answer within {seconds:.0f} s",
            details={"process": str(pid)} if pid else {},
            hints=[Hint("If it hangs, end it, then start again", f"kill {pid}")] if pid else [],
        )
