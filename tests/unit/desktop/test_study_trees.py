"""The studies as trees, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from antarest.desktop.pages import study_trees
from antarest.desktop.pages.study_trees import Filter, TreeStudy
from antarest.study.model import RawStudy, Tag
from antarest.study.variantstudy.model import VariantStudy
from tests.support.data.study_trees import NOW, ODD_NAMES, add_many, add_odd, fill


def names(studies: list[TreeStudy] | tuple[TreeStudy, ...] | object) -> list[object]:
    """Return the names in a tree. A study with variants is a pair of its name and their names."""
    assert isinstance(studies, list | tuple)
    return [(study.name, names(study.variants)) if study.variants else study.name for study in studies]


def find(session: Session, name: str) -> str:
    return session.scalars(sa.select(RawStudy.id).where(RawStudy.name == name)).one()


@contextmanager
def queries(session: Session) -> Iterator[list[str]]:
    """Return the statements that run in the block."""
    seen: list[str] = []
    engine = session.get_bind()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


def test_an_empty_database_has_one_empty_page(session: Session) -> None:
    page = study_trees.trees(session, Filter(), 1)

    assert (page.number, page.last, page.items) == (1, 1, [])
    assert study_trees.total(session) == 0
    assert study_trees.frequent_tags(session, Filter()) == []


def test_the_trees_come_last_changed_first_with_their_variants(session: Session) -> None:
    roots = fill(session)
    page = study_trees.trees(session, Filter(), 1)

    assert [study.id for study in page.items] == roots
    assert names(page.items)[0] == (
        "Adequacy outlook 2026-2030, reference",
        [
            (
                "Cold spell of January 2012",
                ["Cold spell, two reactors out", "Cold spell, demand response doubled"],
            ),
            "Late commissioning of the Celtic link",
            "Heat pumps: fast adoption",
        ],
    )
    assert study_trees.total(session) == 15


def test_a_study_has_its_tags_owner_and_state(session: Session) -> None:
    fill(session)
    studies = {study.name: study for study in study_trees.trees(session, Filter(), 1).items}
    adequacy, gas = studies["Adequacy outlook 2026-2030, reference"], studies["Gas storage and hydro: weekly values"]

    assert (adequacy.tags, adequacy.owner) == (["2030", "adequacy", "reference"], "Marion Dubreuil")
    assert (adequacy.is_variant, adequacy.variant_count, adequacy.is_open) == (False, 3, True)
    assert (gas.content_status, gas.archived) == ("WARNING", False)
    assert studies["Maintenance planning, summer 2026"].archived
    assert studies["Adequacy outlook 2025-2030, reference"].missing_since == NOW - timedelta(days=3)
    draft = next(each for each in adequacy.variants[0].variants if "reactors" in each.name)
    assert (draft.is_variant, draft.is_generated, draft.is_generating) == (True, False, False)


def test_a_search_shows_what_fits_and_the_way_to_it(session: Session) -> None:
    fill(session)
    wanted = Filter("REACTORS")
    page = study_trees.trees(session, wanted, 1)

    assert names(page.items) == [
        (
            "Adequacy outlook 2026-2030, reference",
            [("Cold spell of January 2012", ["Cold spell, two reactors out"])],
        )
    ]
    (root,) = page.items
    assert (root.is_match, root.is_open, root.more) == (False, True, 2)
    assert root.variants[0].variants[0].is_match
    assert study_trees.matches(session, wanted) == 1


def test_tags_are_all_required(session: Session) -> None:
    fill(session)

    assert study_trees.matches(session, Filter(tags=("winter",))) == 4
    assert study_trees.matches(session, Filter(tags=("winter", "draft"))) == 1
    assert study_trees.matches(session, Filter("two", ("winter", "draft"))) == 1
    assert study_trees.matches(session, Filter("gas", ("winter", "draft"))) == 0
    assert names(study_trees.trees(session, Filter("gas", ("draft",)), 1).items) == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_search_finds_any_name(session: Session, name: str) -> None:
    add_odd(session)

    assert names(study_trees.trees(session, Filter(name), 1).items) == [name]
    assert names(study_trees.trees(session, Filter(tags=(name,)), 1).items) == [name]


@pytest.mark.parametrize("character", ["%", "_", "&"])
def test_a_character_of_patterns_stands_for_itself(session: Session, character: str) -> None:
    add_odd(session)
    found = [name for name in ODD_NAMES if character in name]

    assert len(found) == 1
    assert names(study_trees.trees(session, Filter(character), 1).items) == found


def test_the_pages_divide_the_trees(session: Session) -> None:
    add_many(session, 45)
    pages = [study_trees.trees(session, Filter(), number) for number in (1, 2, 3, 4)]

    assert [len(page.items) for page in pages] == [20, 20, 5, 0]
    assert {page.last for page in pages} == {3}
    found = [name for page in pages for name in names(page.items)]
    assert found == [f"Study {index:03d}" for index in range(45, 0, -1)]


def test_the_tags_of_most_studies_are_offered_first(session: Session) -> None:
    session.add_all(
        RawStudy(name="x", version="9", author="a", tags=[session.merge(Tag(label=f"tag{index:02d}"))])
        for index in range(30)
    )
    fill(session)
    offered = study_trees.frequent_tags(session, Filter())

    assert offered[:3] == [("adequacy", 5), ("2030", 4), ("reference", 4)]
    assert len(offered) == 24


def test_the_numbers_of_the_tags_follow_the_filter(session: Session) -> None:
    fill(session)

    assert study_trees.frequent_tags(session, Filter(name="N1")) == [("2050", 3), ("draft", 1), ("reference", 1)]
    assert study_trees.frequent_tags(session, Filter("n1", ("draft",))) == [("draft", 1), ("2050", 1)]
    assert study_trees.frequent_tags(session, Filter("n1", ("winter", "unknown"))) == [("winter", 0), ("unknown", 0)]


def test_a_large_tree_is_cut_and_what_is_left_out_is_counted(session: Session) -> None:
    root = RawStudy(name="root", version="9", author="a")
    session.add(root)
    session.add_all(VariantStudy(name=f"{index}", version="9", author="a", parent=root) for index in range(500))
    session.commit()
    (tree,) = study_trees.trees(session, Filter(), 1).items

    assert (len(tree.variants), tree.more, tree.is_open) == (399, 101, False)
    page = study_trees.variants(session, root.id, 25)
    assert (page.last, len(page.items)) == (25, 20)


def test_the_variants_of_a_study_have_their_own(session: Session) -> None:
    fill(session)
    page = study_trees.variants(session, find(session, "Adequacy outlook 2026-2030, reference"), 1)

    assert names(page.items)[1:] == ["Late commissioning of the Celtic link", "Heat pumps: fast adoption"]
    assert len(page.items[0].variants) == 2


def test_studies_in_a_circle_do_not_hang(session: Session) -> None:
    one, two = (RawStudy(name=name, version="9", author="a") for name in ("one", "two"))
    session.add_all([one, two])
    session.flush()
    one.parent_id, two.parent_id = two.id, one.id
    session.commit()

    assert study_trees.trees(session, Filter("one"), 1).items == []
    assert names(study_trees.variants(session, one.id, 1).items) == [("two", ["one"])]


def test_a_study_that_is_its_own_variant_does_not_hang(session: Session) -> None:
    study = RawStudy(name="own", version="9", author="a")
    session.add(study)
    session.flush()
    study.parent_id = study.id
    session.commit()

    assert names(study_trees.variants(session, study.id, 1).items) == ["own"]


def test_a_very_deep_tree_goes_on_on_the_page_of_a_study(session: Session) -> None:
    parent: RawStudy | VariantStudy = RawStudy(name="0", version="9", author="a")
    session.add(parent)
    for level in range(1, 60):
        parent = VariantStudy(name=f"{level}", version="9", author="a", parent=parent)
        session.add(parent)
    session.commit()
    (study,) = study_trees.trees(session, Filter(), 1).items
    while study.variants:
        (study,) = study.variants

    assert (study.name, study.more) == ("40", 1)


def test_the_number_of_queries_does_not_grow_with_the_trees(session: Session) -> None:
    fill(session)
    with queries(session) as few:
        study_trees.trees(session, Filter("e"), 1)
    add_many(session, 100)
    with queries(session) as many:
        study_trees.trees(session, Filter("e"), 1)

    assert len(many) == len(few) <= 6
