"""The studies as trees of variants, one page at a time, read with a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from antarest.login.model import Identity
from antarest.study.model import RawStudy, Study, StudyTag
from antarest.study.variantstudy.model import VariantStudy, VariantStudySnapshot
from antarest.web.reading.records import StudyDetails

TREES = 20  # on a page
_ROWS = 400  # in all trees of a page; the page shows the number of the other rows, and a link to them
_LEVELS = 40  # that are read of a tree, since the database allows a circle of variants
_OPEN = 6  # a tree with at most this many variants is open
_TAGS = 24  # offered as filters

_study = Study.__table__
_raw = RawStudy.__table__
_variant = VariantStudy.__table__


@dataclass
class TreeStudy:
    """A study in a tree.

    Attributes:
        variants: the variants of the study that are shown.
        variant_count: the number of all variants of the study, including those that are not shown.
        is_match: whether the study matches the filter; False if it is shown only because one of its variants matches.
        is_open: whether the variants of the study are visible without a click.
    """

    id: str
    name: str
    version: str
    updated_at: datetime
    archived: bool
    parent_id: str | None
    is_variant: bool
    owner: str | None
    content_status: str | None
    missing_since: datetime | None
    is_generating: bool
    is_generated: bool
    tags: list[str] = field(default_factory=list)
    variants: list[TreeStudy] = field(default_factory=list)
    variant_count: int = 0
    is_match: bool = False
    is_open: bool = False

    @classmethod
    def of(cls, details: StudyDetails) -> TreeStudy:
        """Return a study from its details, without its variants."""
        return cls(
            id=details.id,
            name=details.name,
            version=details.version,
            updated_at=details.updated_at,
            archived=details.archived,
            parent_id=details.parent_id,
            is_variant=details.variant is not None,
            owner=details.owner.name if details.owner else None,
            content_status=details.raw.content_status.name if details.raw else None,
            missing_since=details.raw.missing_since if details.raw else None,
            is_generating=bool(details.variant and details.variant.generation_task_id),
            is_generated=bool(details.variant and details.variant.snapshot),
            tags=[tag.label for tag in details.tags],
        )

    @property
    def more(self) -> int:
        """The number of variants of this study that are not shown."""
        return self.variant_count - len(self.variants)


@dataclass(frozen=True)
class TreePage:
    """A page of trees. The first page has the number 1, even if it is empty."""

    number: int
    last: int
    items: Sequence[TreeStudy]


@dataclass(frozen=True)
class Filter:
    """A filter of studies: a part of the name, and tags that a study must have."""

    name: str = ""
    tags: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.name or self.tags)

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The conditions of the filter in SQL."""
        found: list[sa.ColumnElement[bool]] = []
        if self.name:
            found.append(_study.c.name.icontains(self.name, autoescape=True))
        for tag in self.tags:
            carries = sa.select(StudyTag.study_id).where(StudyTag.study_id == _study.c.id, StudyTag.tag_label == tag)
            found.append(carries.exists())
        return found


def total(session: Session) -> int:
    """Return the number of all studies, including variants."""
    return session.scalars(sa.select(sa.func.count()).select_from(_study)).one()


def matches(session: Session, wanted: Filter) -> int:
    """Return the number of studies that match a filter."""
    return session.scalars(sa.select(sa.func.count()).select_from(_study).where(*wanted.conditions)).one()


def frequent_tags(session: Session, wanted: Filter) -> list[tuple[str, int]]:
    """Return the tags of a filter, and the most frequent tags of the studies that match the filter.

    Returns:
        Each tag with the number of matching studies that have it. The tags of the filter come first.
    """
    number, tag = sa.func.count().label("number"), aliased(StudyTag)  # an alias, since a condition reads the table too
    query = sa.select(tag.tag_label, number).join(_study, _study.c.id == tag.study_id)
    query = query.where(*wanted.conditions).group_by(tag.tag_label)
    chosen = dict(session.execute(query.where(tag.tag_label.in_(wanted.tags))).all())
    others = query.where(tag.tag_label.not_in(wanted.tags)).order_by(number.desc(), tag.tag_label)
    frequent = session.execute(others.limit(_TAGS)).all()
    return [*((label, chosen.get(label, 0)) for label in wanted.tags), *((label, count) for label, count in frequent)]


def trees(session: Session, wanted: Filter, number: int) -> TreePage:
    """Return a page of trees, most recently changed first.

    With a filter, a tree has only the matching studies and their parents, and trees without a match are left out.
    """
    way = _way_up(wanted) if wanted else None
    roots = sa.select(_study.c.id).where(_study.c.parent_id.is_(None))
    if way is not None:
        roots = roots.where(_study.c.id.in_(sa.select(way.c.id)))
    return _page(session, roots, number, way, wanted)


def variants(session: Session, study_id: str, number: int) -> TreePage:
    """Return a page of the variants of a study, each with its own variants."""
    return _page(session, sa.select(_study.c.id).where(_study.c.parent_id == study_id), number, None, Filter())


def _way_up(wanted: Filter) -> sa.CTE:
    """Return the query for the studies that match a filter, and for all their parents."""
    way = sa.select(_study.c.id, _study.c.parent_id).where(*wanted.conditions).cte("way_up", recursive=True)
    parent = aliased(_study)
    # UNION and not UNION ALL, so that a circle ends.
    return way.union(sa.select(parent.c.id, parent.c.parent_id).join(way, way.c.parent_id == parent.c.id))


def _page(session: Session, roots: sa.Select[str], number: int, way: sa.CTE | None, wanted: Filter) -> TreePage:
    found = session.scalars(sa.select(sa.func.count()).select_from(roots.subquery())).one()
    last = max(1, -(-found // TREES))
    if number > last:
        return TreePage(number, last, ())
    ordered = roots.order_by(_study.c.updated_at.desc(), _study.c.id)
    ids = session.scalars(ordered.limit(TREES).offset((number - 1) * TREES)).all()
    return TreePage(number, last, _grow(session, ids, way, wanted))


def _grow(session: Session, roots: Sequence[str], way: sa.CTE | None, wanted: Filter) -> list[TreeStudy]:
    """Return the trees with these roots."""
    studies = {row.id: TreeStudy(**row._mapping) for row in session.execute(_rows_below(roots, way))}  # noqa: SLF001 - public
    below = sa.select(_study.c.parent_id, sa.func.count()).where(_study.c.parent_id.in_(studies))
    for id_, number in session.execute(below.group_by(_study.c.parent_id)):
        studies[str(id_)].variant_count = number
    labels = sa.select(StudyTag.study_id, StudyTag.tag_label).where(StudyTag.study_id.in_(studies))
    for id_, label in session.execute(labels.order_by(StudyTag.tag_label)):
        studies[id_].tags.append(label)
    fitting: set[str] = set()
    if wanted:
        fitting.update(session.scalars(sa.select(_study.c.id).where(_study.c.id.in_(studies), *wanted.conditions)))
    children: dict[str | None, list[TreeStudy]] = defaultdict(list)
    for study in studies.values():
        study.is_match = study.id in fitting
        if study.id not in roots:  # A root below another study would close a circle.
            children[study.parent_id].append(study)
    for study in studies.values():
        study.variants = children[study.id]
        study.is_open = bool(wanted) or (study.id in roots and study.variant_count <= _OPEN)
    return [studies[id_] for id_ in roots]


def _rows_below(roots: Sequence[str], way: sa.CTE | None) -> sa.Select[tuple[object, ...]]:
    """Return the query for the studies of the trees with these roots, level by level, with at most `_ROWS` rows."""
    tree = sa.select(_study.c.id, sa.literal(0).label("depth")).where(_study.c.id.in_(roots))
    down = tree.cte("tree", recursive=True)
    child = aliased(_study)
    step = sa.select(child.c.id, down.c.depth + 1).join(down, child.c.parent_id == down.c.id)
    step = step.where(down.c.depth < _LEVELS)
    if way is not None:
        step = step.where(child.c.id.in_(sa.select(way.c.id)))
    down = down.union_all(step)
    return (
        sa.select(
            _study.c.id,
            _study.c.name,
            _study.c.version,
            _study.c.updated_at,
            _study.c.archived,
            _study.c.parent_id,
            _variant.c.id.is_not(None).label("is_variant"),
            Identity.name.label("owner"),
            sa.cast(_raw.c.content_status, sa.String).label("content_status"),
            _raw.c.missing_since,
            _variant.c.generation_task_id.is_not(None).label("is_generating"),
            VariantStudySnapshot.id.is_not(None).label("is_generated"),
        )
        .select_from(down)
        .join(_study, _study.c.id == down.c.id)
        .outerjoin(Identity, Identity.id == _study.c.owner_id)
        .outerjoin(_raw, _raw.c.id == _study.c.id)
        .outerjoin(_variant, _variant.c.id == _study.c.id)
        .outerjoin(VariantStudySnapshot, VariantStudySnapshot.id == _study.c.id)
        .order_by(down.c.depth, _study.c.updated_at.desc(), _study.c.id)
        .limit(_ROWS)
    )
