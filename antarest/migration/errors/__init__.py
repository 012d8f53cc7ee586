"""What can go wrong when a database is moved: one class a fact, each with its values and the way on.

Codes: `db.E2xx` the revision graph and its files (`graph`), `db.E402` and above what others hold (`lock`), `db.E5xx`
data that would be lost (`loss`), `db.E6xx` a run that failed (`run`), `db.E7xx` an operation that was refused and
`db.E8xx` the checks (`refusal`), `db.E9xx` backups and restores (`backup`). `config.E...`, `db.E3xx` and `db.E401` live
in `antarest.core.errors`.
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
from antarest.migration.errors.loss import (
    ForeignKeysViolated,
    InTheWay,
    Irreversible,
    LossNotConfirmed,
    LossNotDeclared,
    RebuildLoses,
)
from antarest.migration.errors.refusal import (
    AlreadyFilled,
    CheckFailed,
    InMemoryDatabase,
    InstalledCopy,
    NotAtHead,
    NotConfirmed,
    PackageMissing,
    ResetNotConfirmed,
    ResetRefused,
    RollbackScriptStale,
    SqlNotSupported,
)
from antarest.migration.errors.run import (
    AlembicRefused,
    AutocommitNotAsked,
    NotRecorded,
    RevisionFailed,
    RunFailed,
    RunInterrupted,
    RunTerminated,
    ScratchRunFailed,
    UnexpectedFailure,
)

__all__ = [
    "AlembicRefused",
    "AlreadyFilled",
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
    "InstalledCopy",
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
    "NotAtHead",
    "NotConfirmed",
    "NotRecorded",
    "ObjectLocked",
    "OutOfReach",
    "PackageMissing",
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
    "ScratchRunFailed",
    "SqlNotSupported",
    "ThreadLocked",
    "UnexpectedFailure",
    "UnknownRevision",
]
