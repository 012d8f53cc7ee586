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
    |   |-- DatabaseLocked            exit code 4: retry
    |   `-- AccessRefused, ...        exit code 2: what the configuration names does not exist or does not fit
    `-- MigrationError                exit code 1                               (antarest.migration.errors)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_LOCKED = 4
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

NOTHING_CHANGED = "Nothing was changed."


class Hint(NamedTuple):
    """A way on: what it does, and the command that does it (empty where no command can)."""

    text: str
    command: str = ""


_URL_EXAMPLE = Hint("Name a database in the section db, for example", "url: sqlite:////srv/antarest/antarest.db")


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


class ConfigError(AntarestError):
    """The configuration cannot be used as it is."""

    code = "config.E100"
    exit_code = EXIT_USAGE

    def at(self, key: str, file: Path, **details: str) -> Self:
        """The same error, with the place in the configuration file that it is about."""
        self.message = f"{key}: {self.message}"
        self.args = (self.message,)
        self.details = {"file": str(file), **self.details, **details}
        return self


class ConfigNotFound(ConfigError):
    """A named configuration file is missing or cannot be read, or none was named and none is shipped."""

    code = "config.E101"

    def __init__(self, file: str, *, reason: str, named_by: str, similar: Sequence[Path] = ()) -> None:
        self.file, self.reason, self.named_by, self.similar = file, reason, named_by, tuple(similar)
        hints = [Hint(f"A file with a similar name exists: {path}") for path in similar]
        super().__init__(
            f"the configuration file cannot be read ({reason})" + (f": {file}" if file else ""),
            details={"named by": named_by},
            hints=[*hints, Hint("Name the file", "inv db.status --config=PATH")],
        )


class ConfigEmpty(ConfigError):
    """The configuration file holds nothing."""

    code = "config.E102"

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(f"the configuration file is empty: {file}", hints=[_URL_EXAMPLE])


class ConfigNotYaml(ConfigError):
    """The configuration file is not YAML."""

    code = "config.E103"

    def __init__(self, file: Path, *, problem: str, line: int | None) -> None:
        self.file, self.problem, self.line = file, problem, line
        place = f"{file}, line {line}" if line else str(file)
        super().__init__(
            "the configuration file is not valid YAML",
            details={"file": place, "problem": problem},
            hints=[Hint("A value with : # % & * or @ in it needs quotes", 'url: "postgresql://..."')],
        )


class ConfigNotMapping(ConfigError):
    """The configuration file, or a section of it, holds something else than keys with values."""

    code = "config.E104"

    def __init__(self, file: Path, *, section: str, found: str) -> None:
        self.file, self.section, self.found = file, section, found
        name = f"the section {section}" if section else "the configuration file"
        super().__init__(
            f"{name} must hold keys with values, and holds {found}",
            details={"file": str(file)},
            hints=[_URL_EXAMPLE],
        )


class DatabaseUrlMissing(ConfigError):
    """The configuration names no database."""

    code = "config.E105"

    def __init__(self) -> None:
        super().__init__("no database is named", hints=[_URL_EXAMPLE])


class UnknownKey(ConfigError):
    """The configuration file has a key that nothing reads, which is most often a misspelt one."""

    code = "config.E106"

    def __init__(self, file: Path, *, key: str, nearest: str, known: Sequence[str]) -> None:
        self.file, self.key, self.nearest, self.known = file, key, nearest, tuple(known)
        hint = Hint(f"The nearest key is {nearest}") if nearest else Hint(f"The keys are: {', '.join(known)}")
        super().__init__(f"unknown key {key}", details={"file": str(file)}, hints=[hint])


class VariableUnset(ConfigError):
    """A value names an environment variable that is not set."""

    code = "config.E107"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the environment variable {name} is not set",
            hints=[Hint("Set it", f"export {name}=..."), Hint("Where ${...} is meant as text, write $${...}")],
        )


class InvalidValue(ConfigError):
    """A value has the wrong type, or is out of range."""

    code = "config.E108"

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(f"must be {expected}")


class UnsupportedUrl(ConfigError):
    """The URL asks for an engine or a driver that this project does not work with."""

    code = "config.E109"

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        super().__init__(
            f"{scheme} is not supported",
            details={"supported": "PostgreSQL through psycopg2, SQLite"},
            hints=[Hint("PostgreSQL: postgresql://USER:PASSWORD@HOST:5432/DATABASE"), _URL_EXAMPLE],
        )


class UnreadableUrl(ConfigError):
    """The URL cannot be understood, or can be understood in two ways."""

    code = "config.E110"

    def __init__(self, url: str, *, reason: str, hints: Sequence[Hint] = ()) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"the database URL cannot be used: {reason}", details={"url": url}, hints=hints)


class UsageError(ConfigError):
    """The command was called in a way that it does not have."""

    code = "usage.E101"


class DatabaseError(AntarestError):
    """The database refused, or is not what was expected.

    Args:
        message: the fact.
        database: the URL of the database, redacted.
        reason: what the driver said, redacted.
        state: the state that the database is in now.
        hints: what to do next.
    """

    code = "db.E300"

    def __init__(
        self,
        message: str,
        *,
        database: str,
        reason: str = "",
        state: str = NOTHING_CHANGED,
        hints: Sequence[Hint] = (),
    ) -> None:
        self.database, self.reason = database, reason
        details = {"database": database} | ({"reason": reason} if reason else {})
        super().__init__(message, details=details, state=state, hints=hints)


class DatabaseUnreachable(DatabaseError):
    """The server does not answer, or not yet: trying again can help."""

    code = "db.E301"
    exit_code = EXIT_UNREACHABLE


class TooManyConnections(DatabaseUnreachable):
    """The server has no connection left to give."""

    code = "db.E302"


class ConnectionLost(DatabaseUnreachable):
    """The connection to the server was cut while it was used: the server stopped, or somebody ended the session."""

    code = "db.E309"


class AccessRefused(DatabaseError):
    """The server does not let this role in: wrong password, no right to log in, no right to connect."""

    code = "db.E303"
    exit_code = EXIT_USAGE


class RoleMissing(DatabaseError):
    """The role does not exist on the server."""

    code = "db.E304"
    exit_code = EXIT_USAGE


class DatabaseMissing(DatabaseError):
    """The database does not exist on the server, or the folder of the SQLite file does not exist."""

    code = "db.E305"
    exit_code = EXIT_USAGE


class InvalidParameter(DatabaseError):
    """The driver cannot work with the parameters of the URL."""

    code = "db.E306"
    exit_code = EXIT_USAGE


class DatabaseReadOnly(DatabaseError):
    """The database, or its file, cannot be written or not even be read by this user."""

    code = "db.E307"


class NotADatabase(DatabaseError):
    """The file is not an SQLite database, or is damaged."""

    code = "db.E308"


class DatabaseLocked(DatabaseError):
    """Another process holds the database: trying again can help."""

    code = "db.E401"
    exit_code = EXIT_LOCKED
