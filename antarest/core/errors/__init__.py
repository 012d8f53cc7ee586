"""The error hierarchy of the project: facts as data, with a text that says what to do next.

Every error that a user can meet derives from `AntarestError`. It carries a stable `code`, the fact (`message`), the
values (`details`), the state that the database is in now (`state`) and the commands to go on with (`hints`, safest
first). Nothing here prints or exits: `antarest.migration.report` renders an error, and one boundary in each program
prints it and exits with `exit_code`.

    AntarestError                     exit code 1: refused or failed
    |-- ConfigError                   exit code 2: usage or configuration       (config)
    |   `-- UsageError
    |-- DatabaseError                 exit code 1                               (database)
    |   |-- DatabaseUnreachable       exit code 3: retry
    |   |-- DatabaseLocked            exit code 4: retry
    |   `-- AccessRefused, ...        exit code 2: what the configuration names does not exist or does not fit
    `-- MigrationError                exit code 1                               (antarest.migration.errors)
"""

from antarest.core.errors.base import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_LOCKED,
    EXIT_TERMINATED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    NOTHING_CHANGED,
    AntarestError,
    Hint,
)
from antarest.core.errors.config import (
    ConfigEmpty,
    ConfigError,
    ConfigNotFound,
    ConfigNotMapping,
    ConfigNotYaml,
    DatabaseUrlMissing,
    InvalidValue,
    UnknownKey,
    UnreadableUrl,
    UnsupportedUrl,
    UsageError,
    VariableUnset,
)
from antarest.core.errors.database import (
    AccessRefused,
    ConnectionLost,
    DatabaseError,
    DatabaseLocked,
    DatabaseMissing,
    DatabaseReadOnly,
    DatabaseUnreachable,
    InvalidParameter,
    NotADatabase,
    RoleMissing,
    TooManyConnections,
)

__all__ = [
    "EXIT_DONE",
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_LOCKED",
    "EXIT_TERMINATED",
    "EXIT_UNREACHABLE",
    "EXIT_USAGE",
    "NOTHING_CHANGED",
    "AccessRefused",
    "AntarestError",
    "ConfigEmpty",
    "ConfigError",
    "ConfigNotFound",
    "ConfigNotMapping",
    "ConfigNotYaml",
    "ConnectionLost",
    "DatabaseError",
    "DatabaseLocked",
    "DatabaseMissing",
    "DatabaseReadOnly",
    "DatabaseUnreachable",
    "DatabaseUrlMissing",
    "Hint",
    "InvalidParameter",
    "InvalidValue",
    "NotADatabase",
    "RoleMissing",
    "TooManyConnections",
    "UnknownKey",
    "UnreadableUrl",
    "UnsupportedUrl",
    "UsageError",
    "VariableUnset",
]
