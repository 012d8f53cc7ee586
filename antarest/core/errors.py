"""The error hierarchy of the project: facts as data, with a text that says what to do next.

Every error that a user can meet derives from `AntarestError`. It carries a stable `code`, the fact (`message`), the
values (`details`), the state that the database is in now (`state`) and the commands to go on with (`hints`, safest
first). Nothing here prints or exits: `antarest.migration.report` renders an error, and one boundary in each program
prints it and exits with `exit_code`.

    AntarestError                     exit code 1: refused or failed
    |-- ConfigError                   exit code 2: usage or configuration       (this module)
    |   `-- UsageError
    |-- DatabaseError                 exit code 1                               (this module)
    |   |-- DatabaseUnreachable       exit code 3: retry
    |   `-- ...
    `-- MigrationError                exit code 1                               (antarest.migration.errors)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_LOCKED = 4
EXIT_INTERRUPTED = 130

NOTHING_CHANGED = "Nothing was changed."


class Hint(NamedTuple):
    """A way on: what it does, and the command that does it (empty where no command can)."""

    text: str
    command: str = ""


class AntarestError(Exception):
    """Base of every error that is meant for a user.

    Args:
        message: the fact, in the user's words, on one line.
        details: the values that belong to it, by label, in the order to show them. URLs are already redacted.
        state: the state that the database is in now.
        hints: what to do next, safest first.
    """

    code: ClassVar[str] = "E000"
    exit_code: ClassVar[int] = EXIT_FAILED

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, str] | None = None,
        state: str = NOTHING_CHANGED,
        hints: Sequence[Hint] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})
        self.state = state
        self.hints = tuple(hints)

    def to_dict(self) -> dict[str, object]:
        """The error as plain data, for `--json`."""
        return {
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "state": self.state,
            "hints": [hint._asdict() for hint in self.hints],
        }
