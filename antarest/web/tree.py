"""The tree of variants around a study, read in one query for each direction, however deep it is."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session, aliased

from antarest.study.model import Study
from antarest.web.records import Relative


def ancestors(session: Session, study_id: str) -> list[Relative]:
    """What a study is a variant of, the root of the tree first."""
    rows = {row.id: row for row in _related(session, study_id, up=True)}
    chain: list[Row[Any]] = []
    row = rows.pop(study_id, None)
    # What was seen is taken out: rows that go round in a circle end the walk.
    while row is not None and (row := rows.pop(row.parent_id, None)) is not None:
        chain.append(row)
    return [_relative(row, -distance) for distance, row in reversed(list(enumerate(chain, start=1)))]


def descendants(session: Session, study_id: str) -> list[Relative]:
    """The variants of a study and theirs: each after its parent, those of one parent by name."""
    children = defaultdict[str, list[Row[Any]]](list)
    for row in sorted(_related(session, study_id, up=False), key=lambda row: (row.name.casefold(), row.id)):
        if row.id != study_id:
            children[row.parent_id].append(row)
    found: list[Relative] = []
    waiting = [(row, 1) for row in reversed(children.pop(study_id, []))]
    while waiting:
        row, depth = waiting.pop()
        found.append(_relative(row, depth))
        waiting += [(child, depth + 1) for child in reversed(children.pop(row.id, []))]
    return found


def _related(session: Session, study_id: str, *, up: bool) -> list[Row[Any]]:
    columns = (Study.id, Study.name, Study.type, Study.version, Study.parent_id)
    found = select(*columns).where(Study.id == study_id).cte("found", recursive=True)
    other = aliased(Study)
    step = other.id == found.c.parent_id if up else other.parent_id == found.c.id
    # UNION, not UNION ALL: a row that was found already is not followed again.
    wanted = select(other.id, other.name, other.type, other.version, other.parent_id).join(found, step)
    return list(session.execute(select(found.union(wanted))))


def _relative(row: Row[Any], depth: int) -> Relative:
    return Relative(id=row.id, name=row.name, type=row.type, version=row.version, parent_id=row.parent_id, depth=depth)
