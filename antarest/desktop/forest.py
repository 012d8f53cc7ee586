"""The studies as trees of variants, a page at a time, read with a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from antarest.login.model import Identity
from antarest.study.model import RawStudy, StudyTag
from antarest.study.model import Study as StudyModel
from antarest.study.variantstudy.model import VariantStudy, VariantStudySnapshot
from antarest.web.records import StudyDetails

TREES = 20  # on a page
_ROWS = 400  # in all the trees of a page; what does not fit is counted, and has a link
_LEVELS = 40  # of a tree; the database does not forbid that studies are variants of each other in a circle
_OPEN = 6  # so few variants are shown without being asked for
_TAGS = 24  # offered as filters

_study = StudyModel.__table__
_raw = RawStudy.__table__
_variant = VariantStudy.__table__


@dataclass
class Study:
    """A study in a tree.

    Attributes:
        variants: those of its variants that are shown.
        variant_count: how many it has.
        is_match: whether it is what was searched for, and not only on the way to it.
        is_open: whether its variants are shown at once.
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
    variants: list[Study] = field(default_factory=list)
    variant_count: int = 0
    is_match: bool = False
    is_open: bool = False

    @classmethod
    def of(cls, details: StudyDetails) -> Study:
        """A study of which everything was read, without its variants."""
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
        """How many of its variants are not shown."""
        return self.variant_count - len(self.variants)


@dataclass(frozen=True)
class Page:
    """A part of a list; the first one has the number 1, also when there is nothing in it."""

    number: int
    last: int
    items: Sequence[Study]


@dataclass(frozen=True)
class Filter:
    """What to look for: a part of the name, and tags that a study must all carry."""

    name: str = ""
    tags: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.name or self.tags)

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The same in SQL."""
        found: list[sa.ColumnElement[bool]] = []
        if self.name:
            found.append(_study.c.name.icontains(self.name, autoescape=True))
        for tag in self.tags:
            carries = sa.select(StudyTag.study_id).where(StudyTag.study_id == _study.c.id, StudyTag.tag_label == tag)
            found.append(carries.exists())
        return found


def total(session: Session) -> int:
    """How many studies there are, variants too."""
    return session.scalars(sa.select(sa.func.count()).select_from(_study)).one()


def matches(session: Session, wanted: Filter) -> int:
    """How many studies fit."""
    return session.scalars(sa.select(sa.func.count()).select_from(_study).where(*wanted.conditions)).one()


def frequent_tags(session: Session, chosen: Collection[str] = ()) -> list[tuple[str, int]]:
    """The tags that most studies carry, and the chosen ones, each with the number of its studies."""
    number = sa.func.count().label("number")
    query = sa.select(StudyTag.tag_label, number).group_by(StudyTag.tag_label)
    frequent = session.execute(query.order_by(number.desc(), StudyTag.tag_label).limit(_TAGS))
    found = [(label, count) for label, count in frequent]
    missing = set(chosen) - {label for label, _ in found}
    if missing:
        rare = dict(session.execute(query.where(StudyTag.tag_label.in_(missing))).all())
        found = [*((label, rare.get(label, 0)) for label in sorted(missing)), *found]
    return found


def trees(session: Session, wanted: Filter, number: int) -> Page:
    """A page of trees, last changed first: all of them, or those with a study that fits.

    Of a tree in which something was looked for, only what fits is shown, and the way to it.
    """
    way = _way_up(wanted) if wanted else None
    roots = sa.select(_study.c.id).where(_study.c.parent_id.is_(None))
    if way is not None:
        roots = roots.where(_study.c.id.in_(sa.select(way.c.id)))
    return _page(session, roots, number, way, wanted)


def variants(session: Session, study_id: str, number: int) -> Page:
    """A page of the variants of a study, each with its own."""
    return _page(session, sa.select(_study.c.id).where(_study.c.parent_id == study_id), number, None, Filter())


def _way_up(wanted: Filter) -> sa.CTE:
    """What fits, and everything above it."""
    way = sa.select(_study.c.id, _study.c.parent_id).where(*wanted.conditions).cte("way_up", recursive=True)
    parent = aliased(_study)
    # UNION takes each study once, so that a circle ends.
    return way.union(sa.select(parent.c.id, parent.c.parent_id).join(way, way.c.parent_id == parent.c.id))


def _page(session: Session, roots: sa.Select[str], number: int, way: sa.CTE | None, wanted: Filter) -> Page:
    found = session.scalars(sa.select(sa.func.count()).select_from(roots.subquery())).one()
    last = max(1, -(-found // TREES))
    if number > last:
        return Page(number, last, ())
    ordered = roots.order_by(_study.c.updated_at.desc(), _study.c.id)
    ids = session.scalars(ordered.limit(TREES).offset((number - 1) * TREES)).all()
    return Page(number, last, _grow(session, ids, way, wanted))


def _grow(session: Session, roots: Sequence[str], way: sa.CTE | None, wanted: Filter) -> list[Study]:
    """The trees on these roots."""
    studies = {row.id: Study(**row._mapping) for row in session.execute(_rows_below(roots, way))}  # noqa: SLF001 - public
    below = sa.select(_study.c.parent_id, sa.func.count()).where(_study.c.parent_id.in_(studies))
    for id_, number in session.execute(below.group_by(_study.c.parent_id)):
        studies[str(id_)].variant_count = number
    labels = sa.select(StudyTag.study_id, StudyTag.tag_label).where(StudyTag.study_id.in_(studies))
    for id_, label in session.execute(labels.order_by(StudyTag.tag_label)):
        studies[id_].tags.append(label)
    fitting: set[str] = set()
    if wanted:
        fitting.update(session.scalars(sa.select(_study.c.id).where(_study.c.id.in_(studies), *wanted.conditions)))
    children: dict[str | None, list[Study]] = defaultdict(list)
    for study in studies.values():
        study.is_match = study.id in fitting
        if study.id not in roots:  # Below another one it would close a circle.
            children[study.parent_id].append(study)
    for study in studies.values():
        study.variants = children[study.id]
        study.is_open = bool(wanted) or (study.id in roots and study.variant_count <= _OPEN)
    return [studies[id_] for id_ in roots]


def _rows_below(roots: Sequence[str], way: sa.CTE | None) -> sa.Select[tuple[object, ...]]:
    """The studies of the trees, level by level, as many as a page takes."""
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
