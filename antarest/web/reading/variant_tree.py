"""The tree of variants around a study, read with one query for each direction."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session, aliased

from antarest.study.model import Study
from antarest.web.reading.records import Relative


def ancestors(session: Session, study_id: str) -> list[Relative]:
    """Return the parent of a study and the parents above it, the root of the tree first."""
    rows = {row.id: row for row in _related(session, study_id, up=True)}
    chain: list[Row[Any]] = []
    row = rows.pop(study_id, None)
    # Each row is removed when it is used, so that the loop ends even if the parents form a circle.
    while row is not None and (row := rows.pop(row.parent_id, None)) is not None:
        chain.append(row)
    return [_relative(row, -distance) for distance, row in reversed(list(enumerate(chain, start=1)))]


def descendants(session: Session, study_id: str) -> list[Relative]:
    """Return the variants of a study and their variants, each after its parent, and sorted by name."""
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
    # UNION and not UNION ALL, so that a row is followed only once.
    wanted = select(other.id, other.name, other.type, other.version, other.parent_id).join(found, step)
    return list(session.execute(select(found.union(wanted))))


def _relative(row: Row[Any], depth: int) -> Relative:
    return Relative(id=row.id, name=row.name, type=row.type, version=row.version, parent_id=row.parent_id, depth=depth)
