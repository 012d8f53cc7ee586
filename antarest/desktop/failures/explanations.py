"""Explains errors to users of the desktop application: what happened, whether the data is safe, and what to do.

The messages of the errors are for users of a terminal. The desktop application shows them as technical details.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from antarest.migration.errors.base import NOTHING_CHANGED, AntarestError
from antarest.migration.errors.facts.backup import BackupFailed
from antarest.migration.errors.facts.database import (
    DatabaseError,
    DatabaseLocked,
    DatabaseReadOnly,
    DatabaseUnreachable,
    NotADatabase,
)
from antarest.migration.errors.facts.loss import ForeignKeysViolated, LossNotDeclared
from antarest.migration.errors.facts.project import (
    AmbiguousRevision,
    DuplicateRevision,
    InvalidProject,
    InvalidRevisionFile,
    MissingPredecessor,
    MultipleHeads,
    RevisionCycle,
    RevisionNotFound,
    UnknownRevision,
)
from antarest.migration.errors.facts.run import AlembicRefused, NotRecorded, RevisionFailed, RunFailed
from antarest.migration.errors.settings.commands import spell

_SUPPORT = "If it happens again, send the technical details below to your AntaREST support."
_PREVIOUS = "Until then, your previous version of AntaREST still works with this database."
_FEW = 3
_UNTOUCHED = "Your data is safe: the database was not changed"


@dataclass(frozen=True)
class Explanation:
    """The explanation of an error.

    Attributes:
        title: what happened, in one line.
        what: what happened, in one or two sentences.
        steps: what to do, in this order.
        safe: a sentence that says whether the data is safe.
    """

    title: str
    what: Sequence[str]
    steps: Sequence[str]
    safe: str = _UNTOUCHED


def explain(error: AntarestError, backup: str = "") -> Explanation:
    """Return the explanation of an error.

    Args:
        error: the error that prevented the start or an answer.
        backup: the path of the newest backup that was verified; empty if there is none.
    """
    words = next((words for kinds, words in _WORDS if isinstance(error, kinds)), _something)
    found = words(error)
    if backup and isinstance(error, NotADatabase | BackupFailed):
        restore = f"The newest verified backup is {backup}. This command puts it in place: {spell('inv db.restore')}"
        return replace(found, steps=[found.steps[0], restore, *found.steps[1:]])
    return found


def _newer(_: AntarestError) -> Explanation:
    return Explanation(
        "This database belongs to a newer AntaREST",
        [
            "A newer version has opened it, and changed its structure.",
            "This version cannot read it, so it does not touch it.",
        ],
        ["Install the newest version of AntaREST.", "Start that version: it opens the database as it is."],
    )


def _loss(error: AntarestError) -> Explanation:
    losses = error.losses[:_FEW] if isinstance(error, LossNotDeclared) else ()
    lost = "; ".join(f"{loss.amount} of {loss.item}" for loss in losses)
    return Explanation(
        "The upgrade was stopped, because it would have lost data",
        [
            f"One of its steps would have removed data by mistake: {lost}.",
            "AntaREST noticed it in time, and undid every step.",
        ],
        [
            "Send the technical details below to your AntaREST support, who can fix the upgrade.",
            _PREVIOUS,
        ],
    )


def _step_failed(_: AntarestError) -> Explanation:
    return Explanation(
        "The database could not be upgraded",
        [
            "This version of AntaREST needs a new structure of the database.",
            "One step of the upgrade failed, and every step was undone.",
        ],
        [
            "Try again, in case the cause was temporary, such as a full disk.",
            _SUPPORT,
            _PREVIOUS,
        ],
    )


def _locked(_: AntarestError) -> Explanation:
    return Explanation(
        "Another program is using the database",
        ["The upgrade needs the database for itself for a moment, but another program is using it."],
        [
            "Close every other program that has it open, such as another AntaREST or a database browser.",
            "If a backup or a synchronisation is copying the file, wait until it ends.",
            "Then try again.",
        ],
    )


def _read_only(_: AntarestError) -> Explanation:
    return Explanation(
        "The database cannot be written",
        ["AntaREST has to upgrade the database, but you may not write the file, or its disk is full."],
        [
            "Look at the properties of the file and of its folder: you must be allowed to write both.",
            "Check whether the disk is full, or is mounted read-only.",
            "Then try again.",
        ],
    )


def _no_database(_: AntarestError) -> Explanation:
    return Explanation(
        "The file is not a database, or is damaged",
        ["AntaREST cannot read the file, so it has not touched it."],
        [
            "Check whether the configuration names the right file.",
            "If you have a backup, keep the file under another name, and put a copy of the backup in its place.",
            "Then try again.",
        ],
        "The file was not changed",
    )


def _no_backup(error: AntarestError) -> Explanation:
    return Explanation(
        "The database could not be backed up",
        ["AntaREST makes a backup before it upgrades the database, so the upgrade did not begin.", f"{error.message}."],
        [
            "If that says that the data is damaged, restore an older backup.",
            "If it is about the disk or the folder, make room, or make the folder writable, and try again.",
        ],
        "The database was not changed",
    )


def _silent(_: AntarestError) -> Explanation:
    return Explanation(
        "The database server does not answer",
        ["The studies are on a server that this computer cannot reach right now."],
        [
            "Check the network connection of this computer, and the VPN if you use one.",
            "Ask the administrator of the server whether it is running.",
            "Then try again.",
        ],
        "Nothing was changed",
    )


def _wrong_place(error: AntarestError) -> Explanation:
    return Explanation(
        "The database cannot be opened",
        [f"{error.message[:1].upper()}{error.message[1:]}."],
        [
            "Check whether the configuration names the right database. The details below name its file.",
            "Correct it, close AntaREST, and start it again.",
        ],
        "Nothing was changed",
    )


def _installation(_: AntarestError) -> Explanation:
    return Explanation(
        "This installation of AntaREST is damaged",
        ["The files for the upgrade of the database are incomplete, so the upgrade did not begin."],
        ["Install AntaREST again, then start it again.", _SUPPORT],
    )


def _something(error: AntarestError) -> Explanation:
    untouched = error.state.startswith(NOTHING_CHANGED)
    return Explanation(
        "AntaREST could not open the database",
        ["There was an unexpected error. Every unfinished step was undone."],
        ["Try again.", _SUPPORT],
        _UNTOUCHED if untouched else "The unfinished steps of the upgrade were undone",
    )


def _unclear(_: AntarestError) -> Explanation:
    return Explanation(
        "The state of the database is not clear",
        [
            "The upgrade ended without an error, but the database does not show its result.",
            "Another program may have changed it.",
        ],
        [
            "Close every other program that uses the database.",
            "Then try again: AntaREST checks the database again.",
            _SUPPORT,
        ],
        "No step is half done",
    )


_Kinds = type[AntarestError] | tuple[type[AntarestError], ...]
_GRAPH = (
    AmbiguousRevision,
    DuplicateRevision,
    InvalidProject,
    InvalidRevisionFile,
    MissingPredecessor,
    MultipleHeads,
    RevisionCycle,
    RevisionNotFound,
)

# The first match decides.
_WORDS: Sequence[tuple[_Kinds, Callable[[AntarestError], Explanation]]] = (
    (UnknownRevision, _newer),
    (LossNotDeclared, _loss),
    ((RevisionFailed, ForeignKeysViolated, RunFailed, AlembicRefused), _step_failed),
    (NotRecorded, _unclear),
    (_GRAPH, _installation),
    (DatabaseLocked, _locked),
    (DatabaseReadOnly, _read_only),
    (NotADatabase, _no_database),
    (BackupFailed, _no_backup),
    (DatabaseUnreachable, _silent),
    (DatabaseError, _wrong_place),
)
