"""What can go wrong when a database is moved: one class a fact, each with its values and the way on.

Codes: `db.E2xx` the revision graph and its files (`graph`), `db.E402` and above what others hold (`lock`), `db.E5xx`
data that would be lost and `db.E6xx` a run that failed (`run`), `db.E7xx` an operation that was refused and `db.E8xx`
the checks (`refusal`), `db.E9xx` backups and restores (`backup`). `config.E...`, `db.E3xx` and `db.E401` live in
`antarest.core.errors`.
"""

from antarest.migration.errors.backup import (
    BackupFailed,
    BackupNotFound,
    BackupUnusable,
    DatabaseChanged,
    DatabaseInUse,
    NoSpace,
    ProgramsMissing,
    RestoreFailed,
    RestoreNotAllowed,
    RestoreNotConfirmed,
)
from antarest.migration.errors.base import (
    MigrationError,
)
from antarest.migration.errors.graph import (
    AmbiguousRevision,
    DuplicateRevision,
    InvalidProject,
    InvalidRevisionFile,
    MissingPredecessor,
    MultipleHeads,
    OutOfReach,
    ProjectNotFound,
    RevisionCycle,
    RevisionNotFound,
    UnknownRevision,
)
from antarest.migration.errors.lock import LockLost, MigrationLocked, ObjectLocked, ThreadLocked
from antarest.migration.errors.refusal import (
    CheckFailed,
    InMemoryDatabase,
    NotConfirmed,
    ResetNotConfirmed,
    ResetRefused,
    RollbackScriptStale,
    SqlNotSupported,
)
from antarest.migration.errors.run import (
    AlembicRefused,
    AutocommitNotAsked,
    ForeignKeysViolated,
    InTheWay,
    Irreversible,
    LossNotConfirmed,
    LossNotDeclared,
    NotRecorded,
    RebuildLoses,
    RevisionFailed,
    RunFailed,
    RunInterrupted,
    RunTerminated,
    UnexpectedFailure,
)

__all__ = [
    "AlembicRefused",
    "AmbiguousRevision",
    "AutocommitNotAsked",
    "BackupFailed",
    "BackupNotFound",
    "BackupUnusable",
    "CheckFailed",
    "DatabaseChanged",
    "DatabaseInUse",
    "DuplicateRevision",
    "ForeignKeysViolated",
    "InMemoryDatabase",
    "InTheWay",
    "InvalidProject",
    "InvalidRevisionFile",
    "Irreversible",
    "LockLost",
    "LossNotConfirmed",
    "LossNotDeclared",
    "MigrationError",
    "MigrationLocked",
    "MissingPredecessor",
    "MultipleHeads",
    "NoSpace",
    "NotConfirmed",
    "NotRecorded",
    "ObjectLocked",
    "OutOfReach",
    "ProgramsMissing",
    "ProjectNotFound",
    "RebuildLoses",
    "ResetNotConfirmed",
    "ResetRefused",
    "RestoreFailed",
    "RestoreNotAllowed",
    "RestoreNotConfirmed",
    "RevisionCycle",
    "RevisionFailed",
    "RevisionNotFound",
    "RollbackScriptStale",
    "RunFailed",
    "RunInterrupted",
    "RunTerminated",
    "SqlNotSupported",
    "ThreadLocked",
    "UnexpectedFailure",
    "UnknownRevision",
]
