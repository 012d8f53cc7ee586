"""The status of a database, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..database.record import RecordLine
from ..errors.revision import Revision
from ..project.project import Project

EDITED = "edited files"
"""The key in `Status.not_checked` if it cannot be checked whether files were edited."""


@dataclass(frozen=True)
class Status:
    """The status of a database.

    Attributes:
        engine: the engine and its version, such as `PostgreSQL 15.18`.
        database: the URL of the database, redacted.
        current: the revisions that the database records.
        heads: the heads of the revision files.
        pending: the revisions that an upgrade would run, in order.
        applied: the number of applied revisions that have a file.
        unknown: the current revisions that no file has.
        rollback_script_in_sync: whether `rollback.sh` is up to date; None if the project has no such script.
        missing_grants: the rights that the application's role lacks.
        elsewhere: a sentence that says where the unknown revisions are, such as on a branch; empty if it is not known.
        other_project: the `alembic.ini` of another project that has the unknown revisions; empty if none is known.
        deployed: the revision of production; empty if none is recorded.
        edited: the revisions whose file was edited after they were applied.
        rollback_script: the path of `rollback.sh`; empty if the project has none.
        schema: the schema whose version table was read.
        recorded_elsewhere: for each other schema with a version table, the revisions that this table records. The
            status describes none of these schemas.
        not_checked: the reasons why checks were skipped. The key is the name of the check.
    """

    engine: str
    database: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[str, ...]
    applied: int
    unknown: tuple[str, ...]
    rollback_script_in_sync: bool | None
    missing_grants: tuple[str, ...]
    elsewhere: str = ""
    other_project: str = ""
    deployed: str = ""
    edited: tuple[str, ...] = ()
    rollback_script: str = ""
    schema: str = ""
    recorded_elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_checked: Mapping[str, str] = field(default_factory=dict)

    @property
    def at_head(self) -> bool:
        """Whether nothing is pending and nothing is unknown."""
        return not self.pending and not self.unknown


def not_checked(
    project: Project, role: str | None, current: Sequence[str], record: Sequence[RecordLine]
) -> dict[str, str]:
    """Return the names of the checks that a status has to skip, each with the reason.

    Args:
        project: the Alembic project.
        role: the role of the application; None if the application has no role of its own.
        current: the revisions that the database records.
        record: the time and the user of each revision that was applied.
    """
    found = {} if project.rollback_script else {"rollback.sh": "[antarest] rollback_script is not set"}
    if project.rollback_script and project.history.stays_apart:
        found["rollback.sh"] = "the history has several heads, so no script can go back from them"
    if current and not record:
        found[EDITED] = "the database has no record of what was applied"
    if role and not project.has_metadata:
        found[f"rights of {role}"] = "[antarest] metadata is not set, so the tables are not known"
    return found


@dataclass(frozen=True)
class HistoryEntry:
    """A revision, and its state in the database.

    Attributes:
        revision: the revision file, as read.
        is_head: whether no other revision follows this revision.
        is_current: whether the database records this revision as current.
        is_applied: whether the database has this revision, or a later revision that includes it.
        is_edited: whether the file was edited after the revision was applied.
        record: the time and user of the last run of the revision; None if the run was not recorded.
    """

    revision: Revision
    is_head: bool
    is_current: bool
    is_applied: bool
    is_edited: bool = False
    record: RecordLine | None = None
