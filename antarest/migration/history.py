"""The revision graph, pure: heads, paths, what is pending, and where a rollback goes.

Revision files are read, not run: their assignments are literals (`revision = "..."`), so the graph of a history is
known without importing Alembic and whatever a file does. It hides how a graph with branches and merges is walked.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from antarest.core.errors import Hint
from antarest.migration.errors import (
    AmbiguousRevision,
    DuplicateRevision,
    InvalidRevisionFile,
    MissingPredecessor,
    MultipleHeads,
    OutOfReach,
    RevisionCycle,
    RevisionNotFound,
)

Direction = Literal["upgrade", "downgrade"]
BASE = "base"
HEAD = "head"
_ASSIGNMENTS = ("revision", "down_revision", "depends_on", "lossy", "moves", "irreversible")


@dataclass(frozen=True)
class Revision:
    """One revision script, as its file declares it.

    Attributes:
        id: its identifier.
        down: the revisions that it follows; none for a base, several for a merge.
        depends_on: further revisions that must be applied before it.
        message: the first line of its docstring.
        path: its file.
        lossy: what it loses, by direction: "table" or "table.column" to the reason.
        moves: where values go in an upgrade, from "table.column" to "table.column"; a downgrade reads it backwards.
        irreversible: why it cannot be undone; empty where it can.
    """

    id: str
    down: tuple[str, ...]
    message: str
    path: Path
    depends_on: tuple[str, ...] = ()
    lossy: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
    irreversible: str = ""

    @property
    def predecessors(self) -> tuple[str, ...]:
        """What must be applied before it."""
        return self.down + self.depends_on

    def losses(self, direction: Direction) -> Mapping[str, str]:
        """What it declares to lose in that direction."""
        return self.lossy.get(direction, {})

    def destinations(self, direction: Direction) -> dict[str, list[str]]:
        """Where the values of each source go in that direction."""
        result: dict[str, list[str]] = {}
        for source, destination in self.moves.items():
            first, second = (source, destination) if direction == "upgrade" else (destination, source)
            result.setdefault(first, []).append(second)
        return result


class History:
    """The revisions of a project and how they follow each other."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        """Link the revisions.

        Raises:
            DuplicateRevision: two of them have the same id.
            MissingPredecessor: one follows a revision that is not there.
            RevisionCycle: they follow each other in a circle.
        """
        self._by_id: dict[str, Revision] = {}
        for revision in revisions:
            if (other := self._by_id.get(revision.id)) is not None:
                raise DuplicateRevision(revision.id, [other.path, revision.path])
            self._by_id[revision.id] = revision
        for revision in self._by_id.values():
            for predecessor in revision.predecessors:
                if predecessor not in self._by_id:
                    raise MissingPredecessor(revision.path, revision.id, predecessor)
        try:
            order = tuple(TopologicalSorter({r.id: r.predecessors for r in self._sorted_files()}).static_order())
        except CycleError as error:
            raise RevisionCycle(error.args[1]) from None
        self.order = order
        """Every id, each after its predecessors."""

    def _sorted_files(self) -> list[Revision]:
        return sorted(self._by_id.values(), key=lambda revision: revision.id)

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, revision: str) -> bool:
        return revision in self._by_id

    def __getitem__(self, revision: str) -> Revision:
        return self._by_id[revision]

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other one follows."""
        followed = {down for revision in self._by_id.values() for down in revision.down}
        return tuple(id_ for id_ in self.order if id_ not in followed)

    @property
    def head(self) -> str:
        """The one head; `base` where there are no revisions.

        Raises:
            MultipleHeads: there is more than one.
        """
        if len(self.heads) > 1:
            raise MultipleHeads(self.heads)
        return self.heads[0] if self.heads else BASE

    def resolve(self, reference: str) -> str:
        """The id that `head`, `base`, an id or the beginning of one stands for.

        Raises:
            RevisionNotFound: nothing fits.
            AmbiguousRevision: more than one revision fits.
            MultipleHeads: `head` was asked for, and there are several.
        """
        if reference in (HEAD, BASE):
            return self.head if reference == HEAD else BASE
        if reference in self._by_id:
            return reference
        candidates = [id_ for id_ in self.order if reference and id_.startswith(reference)]
        if not candidates:
            raise RevisionNotFound(reference, difflib.get_close_matches(reference, self.order, cutoff=0.75))
        if len(candidates) > 1:
            raise AmbiguousRevision(reference, candidates)
        return candidates[0]

    def unknown(self, current: Collection[str]) -> tuple[str, ...]:
        """Those of the current revisions that no file has."""
        return tuple(sorted(id_ for id_ in current if id_ not in self._by_id))

    def applied(self, current: Iterable[str]) -> frozenset[str]:
        """Everything that has been applied to a database that is at these revisions."""
        seen: set[str] = set()
        waiting = [id_ for id_ in current if id_ in self._by_id]
        while waiting:
            id_ = waiting.pop()
            if id_ not in seen:
                seen.add(id_)
                waiting.extend(self._by_id[id_].predecessors)
        return frozenset(seen)

    def pending(self, current: Iterable[str], to: str | None = None) -> tuple[str, ...]:
        """What an upgrade of a database at `current` has to run, in order, to reach `to` (default: all heads)."""
        applied = self.applied(current)
        wanted = set(self.order) if to is None else self.applied([to])
        return tuple(id_ for id_ in self.order if id_ in wanted and id_ not in applied)

    def states_below(self, current: Iterable[str]) -> tuple[str, ...]:
        """The single revisions that a rollback from `current` can stop at, nearest first, `base` last.

        A single revision describes a whole state when everything else that is applied lies below it, or was built on
        it: for a merge that is the common ancestor of its branches, never one of the branches alone.
        """
        at = set(current)
        ordered = [id_ for id_ in self.order if id_ in self.applied(at)]
        # All that comes before a revision lies below it when it is the only end of what was walked so far; all that
        # comes after it was built on it when it is the only start of the rest. Two walks, each revision seen twice.
        below, above = set[str](), set[str]()
        ends, starts = set[str](), set[str]()
        for id_ in ordered:
            ends = ends.difference(self._by_id[id_].predecessors) | {id_}
            if ends == {id_}:
                below.add(id_)
        successors: dict[str, set[str]] = {id_: set() for id_ in ordered}
        for id_ in reversed(ordered):
            starts = starts.difference(successors[id_]) | {id_}
            if starts == {id_}:
                above.add(id_)
            for predecessor in self._by_id[id_].predecessors:
                successors[predecessor].add(id_)
        states = [id_ for id_ in reversed(ordered) if id_ in below and id_ in above and at != {id_}]
        return (*states, BASE) if ordered else ()

    def rollback_target(self, current: Collection[str], *, steps: int = 1, to: str | None = None) -> str:
        """The revision that a rollback goes to: `steps` single states back, or `to`.

        Raises:
            OutOfReach: fewer steps are applied, or `to` is not below the current revision.
            RevisionNotFound, AmbiguousRevision: `to` is no revision.
        """
        states = self.states_below(current)
        shown = ", ".join(sorted(current)) or BASE
        if to is None:
            if steps > len(states):
                way = f"{len(states)} at most" if states else "no revision is applied"
                raise OutOfReach(
                    f"a rollback cannot go {steps} step{'' if steps == 1 else 's'} back: {way}",
                    shown,
                    [Hint("See what all the way back would be", "inv db.rollback --to=base --dry-run")]
                    if states
                    else [],
                )
            return states[steps - 1]
        target = self.resolve(to)
        if set(current) == {target} or (target == BASE and not current) or target in states:
            return target
        if target not in self.applied(current):
            is_above = target != BASE and set(current) <= self.applied([target])
            raise OutOfReach(
                f"revision {target} is not below the current one, so a rollback cannot go there",
                shown,
                [Hint("An upgrade can", f"inv db.upgrade --to={target}")] if is_above else [],
            )
        raise OutOfReach(
            f"revision {target} is only one branch of a merge, so a rollback cannot stop there",
            shown,
            [Hint("Go to the state below", f"inv db.rollback --to={self._state_below(target, states)}")],
        )

    def upgrade_target(self, current: Collection[str], to: str = HEAD) -> str:
        """The revision that an upgrade goes to.

        Raises:
            OutOfReach: `to` is below the current revision, or on another branch.
            RevisionNotFound, AmbiguousRevision, MultipleHeads: `to` is no single revision.
        """
        target = self.resolve(to)
        if not current if target == BASE else set(current) <= self.applied([target]):
            return target
        shown = ", ".join(sorted(current))
        if target == BASE or target in self.applied(current):
            raise OutOfReach(
                f"{'base' if target == BASE else f'revision {target}'} is below the current revision, "
                "so an upgrade cannot go there",
                shown,
                [Hint("A rollback can", f"inv db.rollback --to={target}")],
            )
        parting = self._state_below(target, self.states_below(current))
        raise OutOfReach(
            f"revision {target} is on another branch than the current one, so an upgrade cannot go there",
            shown,
            [Hint("Roll back to where the branches part, then upgrade", f"inv db.rollback --to={parting}")],
        )

    def _state_below(self, revision: str, states: tuple[str, ...]) -> str:
        below = self.applied([revision])
        return next((state for state in states if state in below), BASE)


def read_history(folders: Iterable[Path]) -> History:
    """Read the revision files of these folders.

    Raises:
        InvalidRevisionFile: a file is not Python, or does not say which revision it is.
        DuplicateRevision, MissingPredecessor, RevisionCycle: the files do not make a graph.
    """
    files = [path for folder in folders for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    return History(read_revision(path) for path in files)


def read_revision(path: Path) -> Revision:
    """Read one revision file without running it.

    Raises:
        InvalidRevisionFile: it is not Python, or does not say which revision it is.
    """
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise InvalidRevisionFile(path, f"line {error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise InvalidRevisionFile(path, str(error)) from None
    values = _assignments(path, tree)
    if not isinstance(values.get("revision"), str) or not values["revision"]:
        raise InvalidRevisionFile(path, 'it has no line revision = "..."')
    message = (ast.get_docstring(tree) or "").partition("\n")[0].strip()
    return Revision(
        id=values["revision"],
        down=_as_ids(path, values.get("down_revision")),
        depends_on=_as_ids(path, values.get("depends_on")),
        message=message,
        path=path,
        **_declarations(path, values),
    )


def _assignments(path: Path, tree: ast.Module) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and target.id in _ASSIGNMENTS:
                try:
                    values[target.id] = ast.literal_eval(node.value)
                except (ValueError, TypeError):
                    raise InvalidRevisionFile(path, f"line {node.lineno}: {target.id} is not a literal") from None
    return values


def _as_ids(path: Path, value: object) -> tuple[str, ...]:
    ids = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (tuple, list)) else ()
    if (value is not None and not isinstance(value, (str, tuple, list))) or not all(isinstance(i, str) for i in ids):
        raise InvalidRevisionFile(path, f"{value!r} is no revision")
    return ids


def _declarations(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says of its losses. A misspelt one would permit nothing, or too much: refuse it here."""
    lossy, moves, irreversible = values.get("lossy", {}), values.get("moves", {}), values.get("irreversible", "")
    well_formed = isinstance(lossy, dict) and all(_is_text_mapping(part) for part in lossy.values())
    if not well_formed or not set(lossy) <= {"upgrade", "downgrade"}:
        raise InvalidRevisionFile(path, 'lossy must have the form {"upgrade": {"table.column": "why"}}')
    if not _is_text_mapping(moves):
        raise InvalidRevisionFile(path, 'moves must have the form {"table.column": "table.column"}')
    if not isinstance(irreversible, str):
        raise InvalidRevisionFile(path, "irreversible must be the reason, as text")
    return {"lossy": lossy, "moves": moves, "irreversible": irreversible}


def _is_text_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
