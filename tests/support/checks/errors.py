"""An example of each error of the project."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg2
from sqlalchemy import URL

from antarest.desktop.errors import InstanceLockUnusable, InstanceSilent
from antarest.migration.database.driver_errors import connection_error
from antarest.migration.database.grants import Grant, GrantRefused
from antarest.migration.errors.base import AntarestError, Hint
from antarest.migration.errors.facts.backup import (
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
from antarest.migration.errors.facts.branches import (
    AmbiguousReference,
    AmendRefused,
    BranchNotFound,
    DeployedUnknown,
    EditedRevision,
    HookInTheWay,
    NoRepository,
    NotAsSql,
    PlanOvertaken,
    RebaseRefused,
    RecordUnreadable,
    ReferenceUnusable,
    RevisionLost,
    ScriptChanged,
    SqlDiffers,
    SwitchRefused,
)
from antarest.migration.errors.facts.configuration import (
    ConfigEmpty,
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
from antarest.migration.errors.facts.database import (
    DiskFull,
    NoRoomForLocks,
    RightMissing,
    StatementRefused,
    VersionTableDamaged,
)
from antarest.migration.errors.facts.lock import (
    LockLost,
    MigrationLocked,
    ObjectLocked,
    Overtaken,
    TableLocked,
    ThreadLocked,
)
from antarest.migration.errors.facts.loss import (
    ForeignKeysViolated,
    InTheWay,
    Irreversible,
    LossNotConfirmed,
    LossNotDeclared,
    RebuildLoses,
    RowsHidden,
)
from antarest.migration.errors.facts.project import (
    AmbiguousRevision,
    DuplicateRevision,
    EnvNotAdopted,
    InvalidProject,
    InvalidRevisionFile,
    MissingPredecessor,
    MultipleHeads,
    OtherProject,
    OutOfReach,
    ProjectNotFound,
    RevisionCycle,
    RevisionNotFound,
    SnapshotUnfit,
    UnknownRevision,
)
from antarest.migration.errors.facts.refusal import (
    AlreadyFilled,
    CheckFailed,
    InMemoryDatabase,
    InstalledCopy,
    NotAllProved,
    NotAtHead,
    NotConfirmed,
    PackageMissing,
    ResetBlocked,
    ResetNotConfirmed,
    ResetRefused,
    RollbackScriptStale,
    RowsOverlap,
    SqlNotSupported,
    Unrecorded,
    VerifyFailed,
)
from antarest.migration.errors.facts.run import (
    AlembicRefused,
    AutocommitNotAsked,
    DeferredConstraintFailed,
    ModelsNotMade,
    NotRecorded,
    NotReported,
    OutputFailed,
    RevisionFailed,
    RevisionNotRunnable,
    RevisionUnfinished,
    RunFailed,
    RunInterrupted,
    RunTerminated,
    ScratchRunFailed,
    SystemRefused,
    UnexpectedFailure,
)
from antarest.migration.errors.loss import Loss, Missing
from antarest.migration.scratch.databases import NoPostgres
from antarest.migration.verify.processes import EngineFailed
from antarest.migration.verify.rows.draw import NoValidRow
from antarest.web.errors import answering, launching
from tests.support.checks.refusals import SECRET

PROGRAM = "python3 antarest/main.py"
FILE = Path("/srv/antarest/application.yaml")
FOLDER = Path("/srv/antarest/alembic/versions")
DATABASE = "postgresql://antarest:***@db1:5432/antarest"
POSTGRES = URL.create("postgresql+psycopg2", "antarest", SECRET, "db1", 5432, "antarest")
SQLITE = URL.create("sqlite", database="/srv/antarest/antarest.db")
IDS = [f"{number:012x}" for number in range(30)]
LOSSES = [Loss(IDS[1], "downgrade", f"study.column_{number}", 1204, "it is new") for number in range(30)]

MISSING = Missing("view:v", "view v", "op.execute('CREATE VIEW v AS SELECT 1')")


def said(text: str) -> AntarestError:
    """Return the error for a message of libpq."""
    return connection_error(psycopg2.OperationalError(f'connection to server at "db1" failed: {text}'), POSTGRES)


def from_sqlite(code: int, text: str) -> AntarestError:
    """Return the error for a message of SQLite."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return connection_error(error, SQLITE)


# These exceptions contain the URL with its password.
FROM_LIBPQ = [
    said("Connection refused"),
    said("FATAL:  sorry, too many clients already"),
    connection_error(psycopg2.OperationalError("server closed the connection unexpectedly"), POSTGRES),
    said('FATAL:  password authentication failed for user "antarest"'),
    said('FATAL:  role "antarest" does not exist'),
    said('FATAL:  database "antarest" does not exist'),
    said('invalid connection option "sslmodus"'),
    said("FATAL:  terminating connection due to idle-session timeout"),
]

# The lists are long on purpose: any error must have at most nine lines.
EXAMPLES = [
    ConfigNotFound(str(FILE), reason="no such file or directory", named_by="--config", similar=[FILE, FILE]),
    ConfigEmpty(FILE),
    ConfigNotYaml(FILE, problem="expected ...", line=3),
    ConfigNotMapping(FILE, section="db", found="a list"),
    DatabaseUrlMissing().at("db.url", FILE),
    UnknownKey(FILE, key="db.ulr", nearest="db.url", known=["db.url", "db.admin_url"]),
    VariableUnset("PASSWORD").at("db.url", FILE),
    InvalidValue("a whole number of at least 1").at("db.pool_size", FILE, found="many"),
    UnsupportedUrl("mysql").at("db.url", FILE),
    UnreadableUrl("postgresql://***", Hint("Write it as %40"), reason="an @ that is not quoted"),
    UsageError("--steps must be a whole number from 1, not '0'", Hint("One", "inv db.rollback --steps=1 --dry-run")),
    *FROM_LIBPQ,
    RightMissing("the role lacks a right", Hint("Grant it", "GRANT SELECT ON t TO app;"), database=DATABASE),
    StatementRefused("PostgreSQL refused a statement", database=DATABASE, details={"detail": "view v needs it"}),
    VersionTableDamaged("alembic_version", "None", DATABASE),
    from_sqlite(sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
    from_sqlite(sqlite3.SQLITE_NOTADB, "file is not a database"),
    from_sqlite(sqlite3.SQLITE_BUSY, "database is locked"),
    MigrationLocked(
        "another run", "pid 4711, antarest-migration 812@db1 20261123T054159Z", "2026-11-23 05:41 UTC", DATABASE, 60
    ),
    ThreadLocked(DATABASE, 60),
    ObjectLocked(
        "the upgrade of revision x", "pid 4711", DATABASE, tries=6, time=" of 5 s", state="Nothing was changed."
    ),
    LockLost(DATABASE),
    Overtaken(IDS, DATABASE, "Nothing was changed."),
    NoRoomForLocks("no room for more locks", Hint("In parts", "inv db.upgrade --to=a"), database=DATABASE),
    DiskFull("a disk of PostgreSQL on db1 is full", Hint("Make room", "inv db.status"), database=DATABASE),
    TableLocked("study", "pid 4711", DATABASE, waited=60),
    BackupFailed("no space left on device", database=DATABASE, folder=FOLDER),
    NoSpace(10**10, 10**7, 10**9, database=DATABASE, folder=FOLDER),
    ProgramsMissing(15, IDS, database=DATABASE),
    BackupNotFound("antarest.dump", database=DATABASE, folder=FOLDER),
    BackupUnusable(FILE, "it is damaged"),
    RestoreNotConfirmed(FILE, IDS, DATABASE),
    RestoreNotAllowed(
        ["it may not create databases", "the database belongs to root"],
        "antarest",
        *([Hint("As a superuser", "psql '--command=ALTER ROLE antarest CREATEDB'")] * 2),
        database=DATABASE,
    ),
    DatabaseInUse(IDS, Hint("End them", "inv db.restore --end-sessions"), database=DATABASE),
    RestoreFailed("pg_restore: error: no", database=DATABASE, backup=FILE),
    DatabaseChanged("it is at another revision", database=DATABASE),
    ProjectNotFound(FOLDER / "alembic.ini"),
    OtherProject("the database is empty", FOLDER / "alembic.ini", Path("/srv/other/alembic.ini"), DATABASE),
    EnvNotAdopted(FOLDER / "alembic.ini", DATABASE),
    InvalidProject(FOLDER / "alembic.ini", "it has no section [alembic]", Hint("Fix it", "inv db.history")),
    InstalledCopy(Path("/opt/antarest/lib/python3.13/site-packages/antarest/_alembic")),
    HookInTheWay(Path("/srv/.git/hooks/post-merge"), Path("/srv/.git/hooks/post-merge.chained")),
    NotAsSql("c0ffee123456", "AttributeError: 'MockConnection' object has no attribute 'scalar'"),
    RecordUnreadable("alembic_history", DATABASE),
    AmbiguousReference("v1", {"tag": "c0ffee123456", "branch": "0146b79f723c"}),
    ReferenceUnusable("tag v1", "its head is c0ffee123456, which this checkout does not have"),
    DeployedUnknown("c0ffee123456", "0146b79f723c"),
    SqlDiffers("upgrade.sql", "table a is not in upgrade.sql"),
    AmendRefused("main has revision c0ffee123456, so others may have applied it"),
    EditedRevision("c0ffee123456", Path("/srv/antarest/alembic/versions/c0ffee123456_add.py")),
    RevisionUnfinished(ScratchRunFailed(IDS[1], "upgrade", "name 'types' is not defined"), FOLDER / "a.py"),
    RebaseRefused("main has revision c0ffee123456, and this checkout does not", merge="main"),
    BranchNotFound("featur", ["feature", "main"]),
    NoRepository(Path("/srv/antarest")),
    SwitchRefused("main", "Your local changes would be overwritten by checkout: a.py"),
    PlanOvertaken(IDS[:1], IDS[1:]),
    RevisionLost("c0ffee123456", DATABASE, "the store of applied revisions (3 files), 2 branches"),
    ScriptChanged("c0ffee123456", "sha256:ab", "sha256:cd", "branch feature/reserves"),
    UnknownRevision("c0ffee123456", DATABASE, IDS, 30, "alembic/versions"),
    MultipleHeads(IDS),
    InvalidRevisionFile(FOLDER / "a.py", "line 3: invalid syntax"),
    MissingPredecessor(FOLDER / "a.py", IDS[1], IDS[0]),
    SnapshotUnfit(f"two runs of revision {IDS[0]} differ: the rows of study"),
    DuplicateRevision(IDS[0], [FOLDER / f"{id_}.py" for id_ in IDS]),
    RevisionCycle(IDS),
    RevisionNotFound("zebra", IDS),
    AmbiguousRevision("0", IDS),
    OutOfReach("revision x is below the current revision", IDS[0], Hint("See it", "inv db.rollback --dry-run")),
    LossNotDeclared(LOSSES, DATABASE, "Nothing was changed."),
    LossNotConfirmed(LOSSES, DATABASE, "Nothing was changed."),
    Irreversible(IDS[1], "the archive was deleted", is_current=False),
    ForeignKeysViolated([f"table_{number} -> study" for number in range(30)], DATABASE, "Nothing was changed."),
    RevisionFailed(
        IDS[2], "upgrade", "no such table: x", database=DATABASE, state="Nothing was changed.", statement="SELECT x"
    ),
    DeferredConstraintFailed(IDS[2], "upgrade", "violates fk", database=DATABASE, state="Nothing was changed."),
    RebuildLoses(IDS[1], "upgrade", [MISSING] * 30, DATABASE, "Nothing was changed."),
    RowsHidden(IDS[1], "upgrade", ["doc", "public.note"], DATABASE, "Nothing was changed."),
    InTheWay(IDS[1], "upgrade", MISSING, "error in view v: no such table: t", DATABASE, "Nothing was changed."),
    AutocommitNotAsked(IDS[1], str(FOLDER / "a.py")),
    RevisionNotRunnable(IDS[1], "upgrade", "generator", str(FOLDER / "a.py")),
    RunInterrupted(DATABASE, "Nothing was changed."),
    RunTerminated(DATABASE, "Nothing was changed."),
    AlembicRefused("Relative revision -9 didn't produce 1 migrations"),
    RunFailed("disk I/O error", database=DATABASE, state="Nothing was changed."),
    ScratchRunFailed(IDS[1], "downgrade", "Constraint must have a name"),
    ModelsNotMade("SQLite", "no such collation sequence: de-x-icu", "shop.models:metadata"),
    ModelsNotMade("PostgreSQL", 'type "citext" does not exist', "shop.models:metadata", by_server=True),
    SystemRefused("Permission denied: /srv/antarest/scripts/rollback.sh"),
    OutputFailed("Broken pipe"),
    NotReported("No space left on device"),
    UnexpectedFailure("ZeroDivisionError: division by zero"),
    NotRecorded(IDS[1], IDS[0], DATABASE),
    InMemoryDatabase(FILE),
    ResetRefused("its server db1 is not on this host", DATABASE),
    ResetBlocked(["view theirs depends on table study"], DATABASE),
    ResetNotConfirmed(DATABASE, "1,204 rows", 7),
    NotConfirmed("Roll back to base?", "inv db.rollback --yes"),
    SqlNotSupported("sqlite:////srv/antarest/antarest.db"),
    Unrecorded(DATABASE, [f"t{n}" for n in range(9)], ["a1", "b2"], {"foo": ["b2"]}, "alembic_version"),
    RowsOverlap("a1", "b2", DATABASE),
    NotAtHead("seed", "base", IDS[1], DATABASE),
    AlreadyFilled(1204, 7, DATABASE),
    PackageMissing("faker", "[antarest] seed = antarest.seed:seed"),
    RollbackScriptStale(Path("/srv/antarest/scripts/rollback.sh"), IDS[0], IDS[1]),
    CheckFailed(2),
    VerifyFailed(3),
    NotAllProved(2),
    EngineFailed("sqlite: KeyError: 'revision'"),
    GrantRefused([Grant(("SELECT", "INSERT"), "TABLE", "public", "study", "app")] * 30, DATABASE, "permission denied"),
    NoPostgres({"url": "it is not set", "testcontainers": "no Docker engine answers", "embedded": "not installed"}),
    launching.PortTaken("127.0.0.1", 8080, holder="python3 antarest/main.py (process 4711)", command=PROGRAM),
    launching.HostNotOurs("10.1.2.3", "cannot assign requested address", command=PROGRAM),
    launching.PortForbidden(80, "permission denied", command=PROGRAM),
    launching.SchemaBehind(DATABASE, IDS[:2], IDS[2:], IDS[-1], f"{PROGRAM} --auto-upgrade-db"),
    launching.SchemaAhead("c0ffee123456", DATABASE, IDS, 30, "alembic/versions"),
    launching.RightsMissing(DATABASE, "permission denied for table study"),
    launching.NotInstalled("this Python has no package fastapi: /usr/bin/python3", "antarest/main.py"),
    answering.RequestError("Bad Request"),
    answering.NoSuchRoute(),
    answering.StudyNotFound("x" * 300),
    answering.PageNotFound(7, 3),
    answering.MethodNotAllowed(),
    answering.InvalidRequest({f"parameter{number}": "should be a whole number" for number in range(30)}),
    answering.RequestTooLong(16_384),
    answering.HeadersTooLarge(16_384),
    answering.MalformedRequest(),
    answering.Failure(),
    answering.Stopping(),
    answering.DatabaseSilent(20.0),
    InstanceLockUnusable("/run/user/1000/antarest/desktop-0123456789abcdef.json", "Permission denied"),
    InstanceSilent(4711, 600.0),
    NoValidRow("study", "the column type has a CHECK that nothing satisfies"),
]
