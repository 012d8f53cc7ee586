from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from antarest.core.tasks.model import TaskJob, TaskStatus
from antarest.login.model import User
from antarest.study.model import RawStudy, StudyContentStatus, Tag
from antarest.web.errors.answering import PageNotFound, StudyNotFound
from antarest.web.reading import queries
from antarest.web.reading.database import Database
from tests.support.data.studies import raw_study, variant

Ask = Callable[..., Any]
DAY = datetime(2026, 7, 1)  # noqa: DTZ001 - the database holds UTC without saying so


def studies(session: Session, *names: str, tags: tuple[str, ...] = ()) -> None:
    """Add studies. Each was changed a day after the one before."""
    labels = [session.get(Tag, label) or Tag(label=label) for label in tags]
    for day, name in enumerate(names):
        changed = DAY + timedelta(days=day)
        session.add(RawStudy(name=name, version="860", author="ada", updated_at=changed, tags=labels))
    session.commit()


def names(page: Any) -> list[str]:
    return [study.name for study in page.items]


# ---- lists


def test_nothing_is_found_in_an_empty_database(ask: Ask) -> None:
    page = ask(queries.find_studies)

    assert (page.items, page.total, page.pages) == ([], 0, 0)


def test_the_study_that_changed_last_comes_first(session: Session, ask: Ask) -> None:
    studies(session, "old", "newer", "newest")

    assert names(ask(queries.find_studies)) == ["newest", "newer", "old"]


def test_studies_that_changed_at_once_have_an_order_too(session: Session, ask: Ask) -> None:
    session.add_all(RawStudy(name="x", version="860", author="ada", updated_at=DAY) for _ in range(30))
    session.commit()

    pages = [ask(queries.find_studies, page=page, size=7) for page in range(1, 6)]
    ids = [study.id for page in pages for study in page.items]
    assert ids == sorted(ids)
    assert len(ids) == 30


def test_pages_hold_all_studies_once(session: Session, ask: Ask) -> None:
    studies(session, *"abcdefg")

    pages = [ask(queries.find_studies, page=page, size=3) for page in (1, 2, 3)]
    assert [names(page) for page in pages] == [["g", "f", "e"], ["d", "c", "b"], ["a"]]
    assert {(page.total, page.pages, page.size) for page in pages} == {(7, 3, 3)}


@pytest.mark.parametrize(("found", "page"), [(7, 4), (0, 2), (3, 10**9)])
def test_a_page_that_does_not_exist_is_refused(session: Session, ask: Ask, found: int, page: int) -> None:
    studies(session, *"abcdefg"[:found])

    with pytest.raises(PageNotFound) as error:
        ask(queries.find_studies, page=page, size=3)
    assert error.value.pages == -(-found // 3)


def test_a_study_is_told_with_its_owner_and_its_tags(session: Session, ask: Ask) -> None:
    study = raw_study(session, "alpha")
    study.tags.append(Tag(label="2030", color="#ff0000"))
    session.commit()

    told = ask(queries.find_studies).items[0]
    assert told.owner
    assert told.owner.name == "ada"
    assert [(tag.label, tag.color) for tag in told.tags] == [("2030", "#ff0000"), ("winter", None)]
    assert told.updated_at == study.updated_at.replace(tzinfo=UTC)


def test_a_study_of_a_type_that_no_model_knows_is_told_like_any_other(session: Session, ask: Ask) -> None:
    studies(session, "alpha")
    session.execute(text("UPDATE study SET type = 'holographic'"))
    session.commit()

    told = ask(queries.find_studies).items[0]
    assert told.type == "holographic"
    assert ask(queries.get_study, told.id).name == "alpha"


def test_a_page_takes_three_queries_however_long_it_is(session: Session, database: Database, ask: Ask) -> None:
    studies(session, *(f"study {number}" for number in range(50)), tags=("winter", "2030"))
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    assert len(ask(queries.find_studies, size=50).items) == 50
    assert len([each for each in statements if each.startswith("SELECT") and "set_config(" not in each]) == 3


# ---- filters


@pytest.mark.parametrize("part", ["ÉTÉ", "été", "Été", "fr été", "2030"])
def test_a_part_of_the_name_is_found_in_upper_and_lower_case(session: Session, ask: Ask, part: str) -> None:
    studies(session, "FR Été 2030", "BE winter")

    assert names(ask(queries.find_studies, name=part)) == ["FR Été 2030"]


@pytest.mark.parametrize("part", ["100%", "a_b", "back\\slash", "o'clock", "a/b", '"; DROP', "%s", ":x", "日本"])
def test_signs_of_a_language_mean_themselves(session: Session, ask: Ask, part: str) -> None:
    studies(session, f"x {part} y", "x 1000 aXb backslash oclock a//b y")

    assert names(ask(queries.find_studies, name=part)) == [f"x {part} y"]


def test_a_study_must_carry_every_tag(session: Session, ask: Ask) -> None:
    studies(session, "both", tags=("winter", "2030"))
    studies(session, "one", tags=("winter",))
    studies(session, "none")

    assert sorted(names(ask(queries.find_studies, tags=["winter"]))) == ["both", "one"]
    assert names(ask(queries.find_studies, tags=["2030", "winter", "winter"])) == ["both"]
    assert ask(queries.find_studies, tags=["winter", "summer"]).total == 0
    assert ask(queries.find_studies, tags=["WINTER"]).total == 0


def test_the_tags_that_studies_carry_are_known(session: Session, ask: Ask) -> None:
    studies(session, "one", tags=("winter", "2030"))
    session.add(Tag(label="unused"))
    session.commit()

    assert [tag.label for tag in ask(queries.known_tags)] == ["2030", "winter"]


# ---- one study


def test_a_raw_study_is_told_with_all_that_belongs_to_it(session: Session, ask: Ask) -> None:
    study = raw_study(session, "alpha")
    study.content_status = StudyContentStatus.WARNING
    session.commit()

    told = ask(queries.get_study, study.id)
    assert [group.name for group in told.groups] == ["planning"]
    assert told.raw
    assert (told.raw.content_status, told.raw.workspace) == (StudyContentStatus.WARNING, "default")
    assert told.variant is None


def test_a_variant_is_told_with_its_commands_and_its_snapshot(session: Session, ask: Ask) -> None:
    parent = raw_study(session, "alpha")
    study = variant(session, parent)
    session.commit()

    told = ask(queries.get_study, study.id)
    assert told.raw is None
    assert told.variant
    assert told.variant.commands == 3
    assert told.variant.generation_task_id == study.generation_task_id
    assert told.variant.snapshot
    assert told.variant.snapshot.last_executed_command is None
    assert [(each.id, each.depth) for each in told.ancestors] == [(parent.id, -1)]


def test_a_study_without_its_second_row_is_told_without_it(session: Session, ask: Ask) -> None:
    study_id = raw_study(session, "alpha").id
    session.execute(text("DELETE FROM rawstudy"))
    session.commit()

    assert ask(queries.get_study, study_id).raw is None


@pytest.mark.parametrize("unknown", ["nope", "x" * 255, "'; DROP TABLE study; --", "été"])
def test_an_unknown_study_is_refused(ask: Ask, unknown: str) -> None:
    with pytest.raises(StudyNotFound):
        ask(queries.get_study, unknown)


# ---- tasks


def test_tasks_come_newest_first_and_can_be_filtered(session: Session, ask: Ask) -> None:
    study = raw_study(session, "alpha")
    user = session.get_one(User, study.owner_id)
    for hour, status in enumerate((TaskStatus.COMPLETED, TaskStatus.RUNNING, TaskStatus.COMPLETED)):
        created = DAY + timedelta(hours=hour)
        session.add(TaskJob(name=f"task {hour}", status=status, creation_date=created, owner=user))
    study.tasks[0].creation_date = DAY - timedelta(days=1)
    session.commit()

    assert [task.name for task in ask(queries.find_tasks).items] == ["task 2", "task 1", "task 0", "copy"]
    assert [task.name for task in ask(queries.find_tasks, status=TaskStatus.RUNNING).items] == ["task 1"]
    of_study = ask(queries.find_tasks, study=study.id).items
    assert [(task.name, task.study_id, task.owner) for task in of_study] == [("copy", study.id, None)]
    assert ask(queries.find_tasks).items[0].owner.name == "ada"
    with pytest.raises(PageNotFound):
        ask(queries.find_tasks, page=2)
