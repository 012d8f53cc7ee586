"""The queries of the application. Each query returns records that no longer need the session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session

from antarest.core.tasks.model import TaskJob, TaskStatus
from antarest.login.model import Group, Identity
from antarest.study.model import RawStudy, Study, StudyGroup, StudyTag, Tag
from antarest.study.variantstudy.model import CommandBlock, VariantStudy, VariantStudySnapshot
from antarest.web.errors.answering import PageNotFound, StudyNotFound
from antarest.web.reading import variant_tree
from antarest.web.reading.records import (
    GroupSummary,
    Owner,
    RawPart,
    ResultPage,
    SnapshotSummary,
    StudyDetails,
    StudySummary,
    TagSummary,
    TaskSummary,
    VariantPart,
)

_Row = Row[*tuple[Any, ...]]

# Columns and not objects: a list needs no more, and studies of a type without a model are shown too.
_SUMMARY = (
    Study.id,
    Study.name,
    Study.type,
    Study.version,
    Study.author,
    Study.created_at,
    Study.updated_at,
    Study.archived,
    Study.folder,
    Study.parent_id,
    Study.owner_id,
    Identity.name.label("owner_name"),
)
_DETAILS = (*_SUMMARY, Study.last_access, Study.path, Study.public_mode)


def find_studies(
    session: Session, *, name: str | None = None, tags: Iterable[str] = (), page: int = 1, size: int = 20
) -> ResultPage[StudySummary]:
    """Find studies. The study that was changed last comes first.

    Args:
        session: a session of the database.
        name: a part of the name. Upper and lower case make no difference.
        tags: the labels of tags; a study must have all of them.
        page: the number of the page, from 1.
        size: the number of studies on a page.

    Raises:
        PageNotFound: there are fewer pages.
    """
    conditions: list[ColumnElement[bool]] = [
        Study.id.in_(select(StudyTag.study_id).where(StudyTag.tag_label == label)) for label in set(tags)
    ]
    if name:
        conditions.append(Study.name.icontains(name, autoescape=True))
    total = _count(session, Study, conditions)
    wanted = select(*_SUMMARY).outerjoin(Identity, Identity.id == Study.owner_id).where(*conditions)
    rows = _page(session, wanted.order_by(Study.updated_at.desc(), Study.id), total, page, size)
    labels = _tags(session, [row.id for row in rows])
    items = [StudySummary(**_with_owner(row), tags=labels[row.id]) for row in rows]
    return ResultPage[StudySummary](items=items, total=total, page=page, size=size)


def get_study(session: Session, study_id: str) -> StudyDetails:
    """Return a study with its tree of variants.

    Raises:
        StudyNotFound: no study has that id.
    """
    wanted = select(*_DETAILS).outerjoin(Identity, Identity.id == Study.owner_id).where(Study.id == study_id)
    row = session.execute(wanted).one_or_none()
    if row is None:
        raise StudyNotFound(study_id)
    return StudyDetails(
        **_with_owner(row),
        tags=_tags(session, [study_id])[study_id],
        groups=_groups(session, study_id),
        raw=_raw_part(session, study_id),
        variant=_variant_part(session, study_id),
        ancestors=variant_tree.ancestors(session, study_id),
        descendants=variant_tree.descendants(session, study_id),
    )


def find_tasks(
    session: Session, *, status: TaskStatus | None = None, study: str | None = None, page: int = 1, size: int = 20
) -> ResultPage[TaskSummary]:
    """Find tasks, the newest first.

    Args:
        session: a session of the database.
        status: the state of the tasks.
        study: the id of a study. Only the tasks of this study are found.
        page: the number of the page, from 1.
        size: the number of tasks on a page.

    Raises:
        PageNotFound: there are fewer pages.
    """
    conditions: list[ColumnElement[bool]] = [] if status is None else [TaskJob.status == status]
    conditions += [] if study is None else [TaskJob.ref_id == study]
    total = _count(session, TaskJob, conditions)
    wanted = (
        select(
            TaskJob.id,
            TaskJob.name,
            TaskJob.type,
            TaskJob.status,
            TaskJob.creation_date.label("created_at"),
            TaskJob.completion_date.label("completed_at"),
            TaskJob.ref_id.label("study_id"),
            TaskJob.owner_id,
            Identity.name.label("owner_name"),
        )
        .outerjoin(Identity, Identity.id == TaskJob.owner_id)
        .where(*conditions)
        .order_by(TaskJob.creation_date.desc(), TaskJob.id)
    )
    items = [TaskSummary(**_with_owner(row)) for row in _page(session, wanted, total, page, size)]
    return ResultPage[TaskSummary](items=items, total=total, page=page, size=size)


def known_tags(session: Session) -> list[TagSummary]:
    """Return every tag that at least one study has, sorted by label."""
    used = select(StudyTag.tag_label)
    rows = session.execute(select(Tag.label, Tag.color).where(Tag.label.in_(used)).order_by(Tag.label))
    return [TagSummary(label=label, color=color) for label, color in rows]


# ---- parts


def _count(session: Session, model: type[Any], conditions: Sequence[ColumnElement[bool]]) -> int:
    return session.scalars(select(func.count()).select_from(model.__table__).where(*conditions)).one()


def _page(session: Session, wanted: Select[*tuple[Any, ...]], total: int, page: int, size: int) -> Sequence[_Row]:
    pages = -(-total // size)
    if page > max(pages, 1):
        raise PageNotFound(page, pages)
    return session.execute(wanted.limit(size).offset((page - 1) * size)).all()


def _with_owner(row: _Row) -> dict[str, Any]:
    values = dict(row._mapping)  # noqa: SLF001 - a public attribute
    owner_id, name = values.pop("owner_id"), values.pop("owner_name")
    return {**values, "owner": None if owner_id is None else Owner(id=owner_id, name=name)}


def _tags(session: Session, study_ids: Sequence[str]) -> dict[str, list[TagSummary]]:
    rows = session.execute(
        select(StudyTag.study_id, Tag.label, Tag.color)
        .join(Tag, Tag.label == StudyTag.tag_label)
        .where(StudyTag.study_id.in_(study_ids))
        .order_by(Tag.label)
    )
    found = defaultdict[str, list[TagSummary]](list)
    for study_id, label, color in rows:
        found[study_id].append(TagSummary(label=label, color=color))
    return found


def _groups(session: Session, study_id: str) -> list[GroupSummary]:
    rows = session.execute(
        select(Group.id, Group.name)
        .join(StudyGroup, StudyGroup.group_id == Group.id)
        .where(StudyGroup.study_id == study_id)
        .order_by(Group.name, Group.id)
    )
    return [GroupSummary(id=id_, name=name) for id_, name in rows]


def _raw_part(session: Session, study_id: str) -> RawPart | None:
    table = RawStudy.__table__.c
    row = session.execute(
        select(table.content_status, table.workspace, table.missing_since).where(table.id == study_id)
    ).one_or_none()
    return RawPart(**row._mapping) if row else None  # noqa: SLF001 - as above


def _variant_part(session: Session, study_id: str) -> VariantPart | None:
    table = VariantStudy.__table__.c
    commands = select(func.count()).where(CommandBlock.study_id == study_id).scalar_subquery()
    row = session.execute(
        select(
            table.generation_task_id,
            commands.label("commands"),
            VariantStudySnapshot.created_at,
            VariantStudySnapshot.last_executed_command,
        )
        .outerjoin(VariantStudySnapshot, VariantStudySnapshot.id == table.id)
        .where(table.id == study_id)
    ).one_or_none()
    if row is None:
        return None
    task, count, created_at, last = row
    snapshot = None if created_at is None else SnapshotSummary(created_at=created_at, last_executed_command=last)
    return VariantPart(commands=count, generation_task_id=task, snapshot=snapshot)
