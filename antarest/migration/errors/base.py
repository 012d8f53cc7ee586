"""The base of every error, and the exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from .settings.commands import spell

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_LOCKED = 4
EXIT_UNREPORTED = 5
EXIT_NOT_PROVED = 6
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

NOTHING_CHANGED = "Nothing was changed."


class Hint(NamedTuple):
    """A next step: a text, and the command for this step. The command is empty if there is none.

    The code writes each command as in a checkout (`inv db.status`). An error shows the command as the user can type it.
    """

    text: str
    command: str = ""


SEE_STATUS = Hint("See where the database is", "inv db.status")


class AntarestError(Exception):
    """The base of every error that is meant for a user.

    Args:
        message: what happened, in terms that a user knows, on one line.
        hints: what to do next, safest first.
        details: a mapping from labels to values, which are shown in this order. An empty value is not shown. URLs must
            be redacted.
        state: the state that the database is in now.
    """

    code: ClassVar[str] = "E000"
    exit_code: ClassVar[int] = EXIT_FAILED

    def __init_subclass__(cls, code: str = "", exit_code: int | None = None) -> None:
        """Set the code and the exit code of a subclass. If one of the two is not set, the subclass inherits it."""
        if code:
            cls.code = code
        if exit_code is not None:
            cls.exit_code = exit_code

    def __init__(
        self, message: str, *hints: Hint, details: Mapping[str, str] | None = None, state: str = NOTHING_CHANGED
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = {label: value for label, value in (details or {}).items() if value}
        self.state = state
        self.hints = hints

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all attributes when the error is pickled: an exception keeps only the arguments of its base class."""
        return _received, (type(self), self.args, vars(self))

    @property
    def hints(self) -> tuple[Hint, ...]:
        """The next steps, safest first. Each command is written as the user can type it here."""
        return tuple(Hint(hint.text, spell(hint.command)) for hint in self._hints)

    @hints.setter
    def hints(self, hints: tuple[Hint, ...]) -> None:
        self._hints = hints

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain data, for `--json`."""
        return {
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "state": self.state,
            "hints": [hint._asdict() for hint in self.hints],
        }


class MigrationError(AntarestError):
    """The base of the errors of the workflow."""


def _received(cls: type[AntarestError], args: tuple[object, ...], values: Mapping[str, object]) -> AntarestError:
    error = cls.__new__(cls, *args)
    error.args = args
    vars(error).update(values)
    return error
