from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session

from antarest.dbmodel import metadata
from antarest.web.reading import queries
from antarest.web.reading.database import Database

Ask = Callable[..., Any]


def grow(session: Session, parents: dict[str, str | None]) -> None:
    """Add studies by name, each with its parent. Parents come first."""
    common = {"type": "variantstudy", "version": "860", "author": "ada"}
    rows = [{"id": name, "name": name, "parent_id": parent, **common} for name, parent in parents.items()]
    session.execute(insert(metadata.tables["study"]), rows)
    session.commit()


def around(ask: Ask, study: str) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    told = ask(queries.get_study, study)
    above, below = ([(each.name, each.depth) for each in side] for side in (told.ancestors, told.descendants))
    return above, below


def test_a_study_alone_has_no_tree(session: Session, ask: Ask) -> None:
    grow(session, {"alone": None, "other": None})

    assert around(ask, "alone") == ([], [])


def test_ancestors_come_root_first_and_each_variant_after_its_parent(session: Session, ask: Ask) -> None:
    grow(session, {"root": None, "b": "root", "a": "root", "b2": "b", "B1": "b", "leaf": "B1", "aside": None})

    below = [("a", 1), ("b", 1), ("B1", 2), ("leaf", 3), ("b2", 2)]
    assert around(ask, "root") == ([], below)
    assert around(ask, "B1") == ([("root", -2), ("b", -1)], [("leaf", 1)])
    assert around(ask, "leaf") == ([("root", -3), ("b", -2), ("B1", -1)], [])


def test_a_chain_of_a_thousand_is_read_in_two_queries(session: Session, database: Database, ask: Ask) -> None:
    chain = [f"{number:04}" for number in range(1000)]
    grow(session, dict(zip(chain, [None, *chain], strict=False)))
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    above, below = around(ask, "0500")
    assert [name for name, _ in above] == chain[:500]
    assert below == [(f"{500 + depth:04}", depth) for depth in range(1, 500)]
    assert len([each for each in statements if "RECURSIVE" in each]) == 2
    assert len(statements) < 10


def test_rows_that_go_round_in_a_circle_end(session: Session, ask: Ask) -> None:
    grow(session, {"a": None, "b": "a", "c": "b", "self": None})
    session.execute(text("UPDATE study SET parent_id = 'c' WHERE id = 'a'"))
    session.execute(text("UPDATE study SET parent_id = 'self' WHERE id = 'self'"))
    session.commit()

    assert around(ask, "b") == ([("c", -2), ("a", -1)], [("c", 1), ("a", 2)])
    assert around(ask, "self") == ([], [])
