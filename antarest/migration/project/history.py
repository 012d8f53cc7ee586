"""The revision graph: its heads, its paths, pending revisions, and the targets of a rollback.

This module needs neither Alembic nor a database.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import combinations, pairwise

from ..errors.base import Hint
from ..errors.facts.project import (
    AmbiguousRevision,
    DuplicateRevision,
    InvalidRevisionFile,
    MissingPredecessor,
    MultipleHeads,
    OutOfReach,
    RevisionCycle,
    RevisionNotFound,
)
from ..errors.revision import BASE, HEAD, Revision
from ..errors.text import count


class History:
    """The graph of a project's revisions. It says which revisions each revision follows."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        """Link the revisions to a graph.

        Raises:
            DuplicateRevision: two revisions have the same id.
            MissingPredecessor: a revision follows a revision that does not exist.
            RevisionCycle: the revisions follow each other in a circle.
            InvalidRevisionFile: two revisions have the same branch label, or a label is the id of a revision.
        """
        self._by_id: dict[str, Revision] = {}
        for revision in revisions:
            if (other := self._by_id.get(revision.id)) is not None:
                raise DuplicateRevision(revision.id, [other.path, revision.path])
            self._by_id[revision.id] = revision
        self._branches: dict[str, str] = {}
        """The revision that each branch label stands for."""
        for revision in [each for each in self._by_id.values() if each.branch_labels]:
            self._name_branches(revision)
        if self._branches:
            for id_, revision in self._by_id.items():
                ids = tuple(self._branches.get(each, each) for each in revision.depends_on)
                self._by_id[id_] = replace(revision, depends_on=ids) if ids else revision
        self.order = self._line() or self._sorted()
        """Every id, each after its predecessors."""

    def _name_branches(self, revision: Revision) -> None:
        for label in revision.branch_labels:
            if other := label if label in self._by_id else self._branches.get(label):
                raise InvalidRevisionFile(revision.path, f"its branch label {label!r} stands for revision {other} too")
            self._branches[label] = revision.id

    def _line(self) -> tuple[str, ...]:
        """Return all ids in order if the history has no branches, which is usual. Otherwise return an empty tuple."""
        next_ = {revision.predecessors: revision.id for revision in self._by_id.values()}
        order: list[str] = []
        last: tuple[str, ...] = ()
        while (id_ := next_.get(last)) is not None and len(order) < len(self._by_id):
            order.append(id_)
            last = (id_,)
        return tuple(order) if len(order) == len(self._by_id) else ()

    def _sorted(self) -> tuple[str, ...]:
        for revision in self._by_id.values():
            for predecessor in revision.predecessors:
                if predecessor not in self._by_id:
                    raise MissingPredecessor(revision.path, revision.id, predecessor)
        try:
            graph = {id_: self._by_id[id_].predecessors for id_ in sorted(self._by_id)}
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            raise RevisionCycle(error.args[1]) from None

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, revision: str) -> bool:
        return revision in self._by_id

    def __getitem__(self, revision: str) -> Revision:
        return self._by_id[revision]

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other revision follows."""
        followed = {down for revision in self._by_id.values() for down in revision.down}
        return tuple(id_ for id_ in self.order if id_ not in followed)

    @property
    def head(self) -> str:
        """The only head, or `base` if there are no revisions.

        Raises:
            MultipleHeads: there is more than one head.
        """
        if len(self.heads) > 1:
            raise MultipleHeads(self.heads, stay_apart=self.stays_apart)
        return self.heads[0] if self.heads else BASE

    @cached_property
    def stays_apart(self) -> bool:
        """Whether there are several heads that are meant to stay.

        No two of these heads have a common ancestor, or each head has a branch label that no other head has.
        """
        lines = [self.below(head) | {head} for head in self.heads]
        labels = [{label for id_ in line for label in self._by_id[id_].branch_labels} for line in lines]
        pairs = [*combinations(range(len(lines)), 2)]
        unrelated = all(
            lines[a].isdisjoint(lines[b]) or (labels[a] - labels[b] and labels[b] - labels[a]) for a, b in pairs
        )
        return bool(pairs) and unrelated

    @property
    def ends(self) -> tuple[str, ...]:
        """The revisions at which a database is when all revisions are applied; empty if there are no revisions.

        Raises:
            MultipleHeads: there are several heads that are not meant to stay.
        """
        if not self.stays_apart:
            return (self.head,) if self.heads else ()
        needed = {each for revision in self._by_id.values() for each in revision.depends_on}
        return tuple(head for head in self.heads if head not in needed)

    def resolve(self, reference: str) -> str:
        """Return the id for a reference: `head`, `base`, an id or its beginning, a branch label, or `label@head`.

        Raises:
            RevisionNotFound: no revision matches the reference.
            AmbiguousRevision: more than one revision matches the reference.
            MultipleHeads: the reference is `head` or `label@head`, and there are several heads.
        """
        if reference in (HEAD, BASE):
            return self.head if reference == HEAD else BASE
        if reference in self._by_id:
            return reference
        if reference in self._branches:
            return self._branches[reference]
        label = reference.removesuffix(f"@{HEAD}")
        if label != reference and label in self._branches:
            return self._head_of(self._branches[label])
        candidates = [id_ for id_ in self.order if reference and id_.startswith(reference)]
        if not candidates:
            raise RevisionNotFound(reference, difflib.get_close_matches(reference, self.order, cutoff=0.75))
        if len(candidates) > 1:
            raise AmbiguousRevision(reference, candidates)
        return candidates[0]

    def _head_of(self, start: str) -> str:
        """Return the only head that can be reached from a revision along `down_revision`."""
        followers = {start}
        for id_ in self.order:
            if not followers.isdisjoint(self._by_id[id_].down):
                followers.add(id_)
        heads = [id_ for id_ in self.heads if id_ in followers]
        if len(heads) > 1:
            raise MultipleHeads(heads, stay_apart=self.stays_apart)
        return heads[0]

    def unknown(self, current: Collection[str]) -> tuple[str, ...]:
        """Return the current revisions that have no file."""
        return tuple(sorted(id_ for id_ in current if id_ not in self._by_id))

    def applied(self, current: Iterable[str]) -> frozenset[str]:
        """Return all revisions that are applied in a database whose current revisions are `current`."""
        seen: set[str] = set()
        waiting = [id_ for id_ in current if id_ in self._by_id]
        while waiting:
            id_ = waiting.pop()
            if id_ not in seen:
                seen.add(id_)
                waiting.extend(self._by_id[id_].predecessors)
        return frozenset(seen)

    def below(self, revision: str) -> frozenset[str]:
        """Return all revisions before this revision, along `down_revision` only. `depends_on` is ignored."""
        seen: set[str] = set()
        waiting = [revision] if revision in self._by_id else []
        while waiting:
            new = set(self._by_id[waiting.pop()].down) - seen
            seen |= new
            waiting.extend(new)
        return frozenset(seen)

    def pending(self, current: Iterable[str], to: str | None = None) -> tuple[str, ...]:
        """Return the revisions that an upgrade from `current` to `to` (default: all heads) runs, in order."""
        wanted = frozenset(self.order) if to is None else self.applied([to])
        return self.in_order(wanted - self.applied(current))

    def in_order(self, revisions: Container[str]) -> tuple[str, ...]:
        """Return these revisions in order, each after its predecessors."""
        return tuple(id_ for id_ in self.order if id_ in revisions)

    def states_below(self, current: Iterable[str]) -> tuple[str, ...]:
        """Return the single revisions at which a rollback from `current` can stop, nearest first, and `base` last.

        A rollback can stop at a revision only if every other applied revision comes before or after that revision. So a
        rollback of a merge stops at the common ancestor of its branches, never at a revision of one branch.
        """
        at = set(current)
        ordered = self.in_order(self.applied(at))
        # First loop, upwards: if a revision is the only end so far, all earlier revisions are below this revision.
        # Second loop, downwards: if a revision is the only start so far, all later ones were built on this revision.
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
        depended_on = {state for id_ in ordered for state in self._by_id[id_].depends_on}
        reached = (id_ for id_ in states if id_ not in depended_on or self._can_stop_at(id_, ordered))
        return (*reached, BASE) if ordered else ()

    def _can_stop_at(self, state: str, ordered: Sequence[str]) -> bool:
        """Return whether a downgrade to the revision `state` undoes all revisions that were built on this revision.

        Alembic undoes the revisions that have `state` as `down_revision`, and all revisions that need one of them.
        Alembic keeps a revision that has `state` only in `depends_on`.
        """
        undone = set[str]()
        for id_ in ordered:
            if state in self._by_id[id_].down or not undone.isdisjoint(self._by_id[id_].predecessors):
                undone.add(id_)
        return len(undone) == len(ordered) - len(self.applied([state]))

    def rollback_target(self, current: Collection[str], *, steps: int = 1, to: str | None = None) -> str:
        """Return the revision that a rollback goes to: `steps` steps back, or `to`, which is a whole id.

        Raises:
            OutOfReach: the rollback cannot go so many steps back, a step would undo independent revisions, or `to` is
                not below the current revision.
        """
        states = self.states_below(current)
        shown = ", ".join(sorted(current)) or BASE
        if to is None:
            if steps > len(states):
                way = f"{len(states)} at most" if states else "no revision is applied"
                hint = Hint("See what all the way back would be", "inv db.rollback --to=base --dry-run")
                raise OutOfReach(
                    f"a rollback cannot go {count(steps, 'step')} back: {way}", shown, *([hint] if states else [])
                )
            for at, below in pairwise([tuple(current), *((state,) for state in states[:steps])]):
                self._require_one_step(at, below[0])
            return states[steps - 1]
        if set(current) == {to} or (to == BASE and not current) or to in states:
            return to
        if to not in self.applied(current):
            is_above = to != BASE and set(current) <= self.applied([to])
            hint = Hint("See what an upgrade to it would run", f"inv db.upgrade --to={to} --dry-run")
            fact = f"revision {to} is not below the current one, so a rollback cannot go there"
            raise OutOfReach(fact, shown, *([hint] if is_above else []))
        raise OutOfReach(
            f"revision {to} is only one branch of a merge, so a rollback cannot stop there"
            if len(current) == 1
            else f"a rollback to revision {to} leaves other revisions applied beside it, so it cannot stop there",
            shown,
            Hint("Go to the state below", f"inv db.rollback --to={self._state_below(to, states)}"),
        )

    def _require_one_step(self, at: tuple[str, ...], below: str) -> None:
        """Refuse a step back from `at` to `below` that would undo more than the last revision.

        The exception is a merge: a step back from it leads to the common ancestor of its branches, if there is one.

        Raises:
            OutOfReach: `below` is not one step back.
        """
        undone = self.applied(at) - (self.applied([below]) if below != BASE else frozenset())
        is_merge = len(at) == 1 and len(self._by_id[at[0]].down) > 1 and below != BASE
        if len(undone) == 1 or is_merge:
            return
        if len(at) > 1:
            why = "the database is at several revisions, so one step back is not clear"
        else:
            why = f"revision {at[0]} stands on several revisions without a common state below it"
        one = next((down for id_ in sorted(at) for down in self._by_id[id_].down[:1]), "") if self.stays_apart else ""
        raise OutOfReach(
            why,
            ", ".join(sorted(at)),
            Hint(
                f"See what a rollback to {below} would undo ({count(len(undone), 'revision')})",
                f"inv db.rollback --to={below} --dry-run",
            ),
            *([Hint("Or undo the last revision of one branch", f"alembic downgrade {one}")] if one else []),
        )

    def require_upgrade(self, current: Collection[str], target: str) -> None:
        """Refuse a target that an upgrade cannot go to.

        Args:
            current: the current revisions of the database.
            target: the whole id of a revision, or `base`.

        Raises:
            OutOfReach: the target is below the current revision, or on another branch.
        """
        if not current if target == BASE else set(current) <= self.applied([target]):
            return
        shown = ", ".join(sorted(current))
        if target == BASE or target in self.applied(current):
            raise OutOfReach(
                f"{'base' if target == BASE else f'revision {target}'} is below the current revision, "
                "so an upgrade cannot go there",
                shown,
                Hint("See what a rollback to it would undo", f"inv db.rollback --to={target} --dry-run"),
            )
        parting = self._state_below(target, self.states_below(current))
        both = {target, *current}
        joins = (id_ for id_ in self.order if len(self[id_].predecessors) > 1)
        joined = next((id_ for id_ in joins if both <= self.applied([id_])), "")
        beside = Hint("Apply all branches beside each other", "inv db.upgrade --to=heads")
        if joined:
            beside = Hint("Apply both, up to the revision that joins them", f"inv db.upgrade --to={joined}")
        raise OutOfReach(
            f"revision {target} is on another branch than the current one, so an upgrade cannot go there",
            shown,
            *([beside] if joined or len(self.heads) > 1 else []),
            Hint("See what lies between it and the current one", f"inv db.rollback --to={parting} --dry-run"),
        )

    def _state_below(self, revision: str, states: tuple[str, ...]) -> str:
        below = self.applied([revision])
        return next((state for state in states if state in below), BASE)
