"""What an error means to somebody at a desktop: what happened, that the data is safe, and what to do.

The errors themselves are written for people with a terminal; they stand below, as the technical details.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from antarest.migration.errors.base import NOTHING_CHANGED, AntarestError
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

_SUPPORT = "If it happens again, send the technical details below to whoever supports AntaREST where you work."
_PREVIOUS = "Until then, the version of AntaREST that you had before works with this database as it did."
_FEW = 3
_UNTOUCHED = "Your data is safe: the database was not changed"


@dataclass(frozen=True)
class Explanation:
    """An error in words for the desktop.

    Attributes:
        title: what happened, in one line.
        what: the same in one or two sentences.
        steps: what to do, in this order.
        safe: what became of the data.
    """

    title: str
    what: Sequence[str]
    steps: Sequence[str]
    safe: str = _UNTOUCHED


def explain(error: AntarestError) -> Explanation:
    """Put an error into words for the desktop."""
    for kinds, words in _WORDS:
        if isinstance(error, kinds):
            return words(error)
    return _something(error)


def _newer(_: AntarestError) -> Explanation:
    return Explanation(
        "This database belongs to a newer AntaREST",
        [
            "A newer version than this one has opened it, and changed how it keeps the studies.",
            "This version does not know how to read it, and so leaves it alone.",
        ],
        ["Install the newest version of AntaREST.", "Start that version: it opens the database as it is."],
    )


def _loss(error: AntarestError) -> Explanation:
    losses = error.losses[:_FEW] if isinstance(error, LossNotDeclared) else ()
    lost = "; ".join(f"{loss.amount} of {loss.item}" for loss in losses)
    return Explanation(
        "The upgrade was stopped, because it would have lost data",
        [
            f"One of its steps would have removed what nobody meant to remove: {lost}.",
            "AntaREST noticed before anything was final, and undid every step.",
        ],
        [
            "Send the technical details below to whoever supports AntaREST where you work: they can mend the upgrade.",
            _PREVIOUS,
        ],
    )


def _step_failed(_: AntarestError) -> Explanation:
    return Explanation(
        "The database could not be upgraded",
        [
            "This version of AntaREST keeps the studies in a new way.",
            "One of the steps that lead there failed, and every step was undone.",
        ],
        [
            "Try again, in case something on this computer was in the way: a full disk, for example.",
            _SUPPORT,
            _PREVIOUS,
        ],
    )


def _locked(_: AntarestError) -> Explanation:
    return Explanation(
        "Another program is using the database",
        ["The upgrade needs the database for itself for a moment, and something else kept it busy."],
        [
            "Close every other program that has it open: another version of AntaREST, or a tool to look at databases.",
            "If a backup or a synchronisation is copying the file, let it end.",
            "Then try again.",
        ],
    )


def _read_only(_: AntarestError) -> Explanation:
    return Explanation(
        "The database cannot be written",
        ["AntaREST has to upgrade the database, and this user may not write it, or its disk takes nothing more."],
        [
            "Look at the properties of the file and of its folder: both have to be writable for you.",
            "See whether the disk is full, or was mounted for reading only.",
            "Then try again.",
        ],
    )


def _no_database(_: AntarestError) -> Explanation:
    return Explanation(
        "The file is not a database, or is damaged",
        ["AntaREST cannot read what is in it, and so has not touched it."],
        [
            "See whether the configuration names the file that you mean.",
            "If you have a backup, keep the file under another name, and put a copy of the backup in its place.",
            "Then try again.",
        ],
        "The file was not changed",
    )


def _silent(_: AntarestError) -> Explanation:
    return Explanation(
        "The database server does not answer",
        ["The studies are on a server, and it cannot be reached from this computer right now."],
        [
            "See whether this computer is connected: the network, and the VPN if you use one.",
            "Ask whoever runs the server whether it is up.",
            "Then try again.",
        ],
        "Nothing was changed",
    )


def _wrong_place(error: AntarestError) -> Explanation:
    return Explanation(
        "The database cannot be opened",
        [f"{error.message[:1].upper()}{error.message[1:]}."],
        [
            "See whether the configuration names the database that you mean; its file is named in the details below.",
            "Correct it, end AntaREST, and start it again.",
        ],
        "Nothing was changed",
    )


def _installation(_: AntarestError) -> Explanation:
    return Explanation(
        "This installation of AntaREST is damaged",
        ["The files that tell how to upgrade a database are incomplete, so the upgrade did not begin."],
        ["Install AntaREST again, then start it again.", _SUPPORT],
    )


def _something(error: AntarestError) -> Explanation:
    untouched = error.state.startswith(NOTHING_CHANGED)
    return Explanation(
        "AntaREST could not open the database",
        ["Something happened that AntaREST does not know how to deal with. What was begun was undone."],
        ["Try again.", _SUPPORT],
        _UNTOUCHED if untouched else "What the upgrade had begun was undone",
    )


def _unclear(_: AntarestError) -> Explanation:
    return Explanation(
        "It is not clear where the database is now",
        [
            "The upgrade ended without an error, and the database does not show it.",
            "Another program may have moved it.",
        ],
        ["Close every other program that uses the database.", "Then try again: AntaREST looks at it anew.", _SUPPORT],
        "No step was left half done",
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

# The first that fits decides.
_WORDS: Sequence[tuple[_Kinds, Callable[[AntarestError], Explanation]]] = (
    (UnknownRevision, _newer),
    (LossNotDeclared, _loss),
    ((RevisionFailed, ForeignKeysViolated, RunFailed, AlembicRefused), _step_failed),
    (NotRecorded, _unclear),
    (_GRAPH, _installation),
    (DatabaseLocked, _locked),
    (DatabaseReadOnly, _read_only),
    (NotADatabase, _no_database),
    (DatabaseUnreachable, _silent),
    (DatabaseError, _wrong_place),
)
