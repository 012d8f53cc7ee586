"""The graph of random revisions, compared with a slow and simple definition, and with Alembic."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from alembic.script import revision as alembic_revision

from antarest.migration.errors.facts.project import OutOfReach
from antarest.migration.errors.revision import BASE, Revision
from antarest.migration.project.history import History

Graph = Mapping[str, Sequence[str]]


class Slow:
    """The same answers, by their definitions."""

    def __init__(self, down: Graph, needs: Graph) -> None:
        self.down = down
        self.before = {id_: [*down[id_], *needs[id_]] for id_ in down}

    def applied(self, ids: Iterable[str]) -> set[str]:
        """Return the revisions with all revisions before them."""
        return {each for id_ in ids for each in (id_, *self.applied(self.before[id_]))}

    def ends(self, ids: Collection[str]) -> set[str]:
        """Return the revisions that no other of these revisions follows."""
        return {id_ for id_ in ids if not any(id_ in self.before[other] for other in ids)}

    def states_below(self, current: set[str]) -> list[str]:
        """Return the revisions that come before or after all other applied revisions, nearest first."""
        applied = self.applied(current)
        related = [id_ for id_ in applied if all(id_ in self.applied([x]) or x in self.applied([id_]) for x in applied)]
        states = sorted(related, key=lambda id_: len(self.applied([id_])), reverse=True)
        states = [
            id_ for id_ in states if current != {id_} and applied - self.applied([id_]) == self.undone(id_, applied)
        ]
        return [*states, *([BASE] if applied else [])]

    def undone(self, to: str, applied: set[str]) -> set[str]:
        """Return the revisions that a downgrade undoes: the followers of its target, and all revisions after them."""
        followers = {id_ for id_ in applied if to in self.down[id_]}
        return {id_ for id_ in applied if followers & self.applied([id_])}


def random_graph(dice: random.Random) -> tuple[Graph, Graph]:
    """Return the predecessors and dependencies of a graph with branches, merges, several roots and dependencies."""
    ids = [f"{dice.randrange(16**4):04x}{number:02d}" for number in range(dice.randint(1, 9))]
    down: dict[str, list[str]] = {}
    needs: dict[str, list[str]] = {}
    for position, id_ in enumerate(ids):
        earlier, slow = ids[:position], Slow(down, needs)
        chosen = dice.sample(earlier, min(len(earlier), dice.choice([0, 1, 1, 1, 1, 2, 2, 3])))
        # A merge joins branches: none of its predecessors comes before another one of them.
        down[id_] = [each for each in chosen if not any(each in slow.applied(slow.before[x]) for x in chosen)]
        others = [each for each in earlier if each not in slow.applied(down[id_])]
        needs[id_] = dice.sample(others, 1) if others and dice.random() < 0.15 else []
    return down, needs


def revisions(down: Graph, needs: Graph) -> list[Revision]:
    """Return the graph as our code sees it."""
    return [Revision(id_, tuple(down[id_]), "", Path(f"{id_}.py"), tuple(needs[id_])) for id_ in down]


def in_alembic(down: Graph, needs: Graph) -> alembic_revision.RevisionMap:
    """Return the same graph as Alembic sees it."""
    revisions = [
        alembic_revision.Revision(id_, tuple(down[id_]) or None, dependencies=tuple(needs[id_]) or None) for id_ in down
    ]
    return alembic_revision.RevisionMap(lambda: revisions)


def test_a_random_graph_is_walked_as_defined_and_as_alembic_walks_it(subtests: pytest.Subtests) -> None:
    for seed in range(300):
        with subtests.test(seed=seed):
            assert_walked(seed)


def assert_walked(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same graphs each time, and no secret
    down, needs = random_graph(dice)
    fast, slow, alembic = History(revisions(down, needs)), Slow(down, needs), in_alembic(down, needs)
    current = slow.ends(slow.applied(dice.sample(list(down), dice.randint(0, len(down)))))
    applied = slow.applied(current)

    assert fast.applied(current) == applied
    assert set(fast.heads) == set(alembic.heads) == {id_ for id_ in down if not any(id_ in x for x in down.values())}
    assert all(set(slow.before[id_]) <= set(fast.order[: fast.order.index(id_)]) for id_ in down)

    for target in down:
        pending = fast.pending(current, target)
        assert set(pending) == slow.applied([target]) - applied
        walked = alembic.iterate_revisions(target, tuple(current), implicit_base=True)
        assert set(pending) == {each.revision for each in walked}

    states = slow.states_below(current)
    assert list(fast.states_below(current)) == states
    for state in states:
        undone = applied - (slow.applied([state]) if state != BASE else set())
        walked = alembic.iterate_revisions(tuple(current), state, select_for_downgrade=True)
        assert {each.revision for each in walked} == undone
    assert_one_step(fast, alembic, tuple(sorted(current)))


def assert_one_step(found: History, alembic: alembic_revision.RevisionMap, current: tuple[str, ...]) -> None:
    """A rollback of one step undoes the same revisions as with Alembic, or one of the two refuses it."""
    with suppress(OutOfReach):
        target = found.rollback_target(current)
        undone = found.applied(current) - (found.applied([target]) if target != BASE else frozenset())
        with suppress(alembic_revision.RevisionError):  # A merge, for which Alembic has no step back.
            walked = alembic.iterate_revisions(current, "-1", select_for_downgrade=True)
            assert {each.revision for each in walked} == undone


def test_the_random_graphs_have_what_makes_graphs_hard() -> None:
    graphs = [random_graph(random.Random(seed)) for seed in range(300)]  # noqa: S311 - as above

    merges = [down for down, _ in graphs if any(len(each) > 1 for each in down.values())]
    roots = [down for down, _ in graphs if sum(not each for each in down.values()) > 1]
    dependencies = [needs for _, needs in graphs if any(needs.values())]

    assert min(len(merges), len(roots), len(dependencies)) > 50
