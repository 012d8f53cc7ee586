"""The rows that are deleted with a study or an account, and those that stay, on both engines."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from antarest.core.configdata.model import ConfigData
from antarest.core.filetransfer.model import FileDownload
from antarest.core.tasks.model import TaskJob
from antarest.launcher.model import JobResult
from antarest.login.model import Bot
from antarest.matrixstore.model import DataSet, DataSetMatrix, Matrix
from antarest.study.model import RawStudy, Study
from tests.support.data.studies import counts, people, raw_study, variant


def test_study_takes_with_it_what_belongs_to_it(session: Session) -> None:
    """One statement deletes the study, and the database deletes the rest. Rows that others share stay."""
    kept = raw_study(session, "kept")
    session.commit()
    before = counts(session)
    study = variant(session, raw_study(session, "root"))
    session.commit()
    parent = study.parent_id
    session.execute(sa.delete(Study.__table__).where(Study.__table__.c.id == study.id))  # type: ignore[arg-type]
    session.execute(sa.delete(Study.__table__).where(Study.__table__.c.id == parent))  # type: ignore[arg-type]
    session.commit()
    after = counts(session)
    accounts = {"identities": 1, "users": 1, "groups": 1, "roles": 1}
    assert after == {table: number + accounts.get(table, 0) for table, number in before.items()}
    assert kept.jobs[0].logs[0].message == "start"
    assert [tag.label for tag in kept.tags] == ["winter"]


def test_study_deleted_through_the_session(session: Session) -> None:
    """The ORM deletes the study, with nothing loaded and with everything loaded."""
    for load in (False, True):
        study = variant(session, raw_study(session, "root"))
        session.commit()
        if load:
            assert len(study.commands) == 3
            assert study.snapshot is not None
            assert study.tasks
            assert study.generation_task is not None
        parent = study.parent
        session.delete(study)
        session.commit()
        assert parent is not None
        session.delete(parent)
        session.commit()
        left = counts(session)
        assert {table for table, number in left.items() if number} == {"identities", "users", "groups", "roles", "tag"}


def test_tree_of_variants_is_deleted_together_or_not_at_all(session: Session) -> None:
    """A parent cannot be deleted alone, but the whole tree can, in one statement or in one flush."""
    for delete_through in ("statement", "session"):
        root = raw_study(session, "root")
        child = variant(session, root)
        session.commit()
        with pytest.raises(sa.exc.IntegrityError):
            session.execute(sa.text("DELETE FROM study WHERE id = :id"), {"id": root.id})
        session.rollback()
        if delete_through == "statement":
            session.execute(sa.text("DELETE FROM study WHERE id IN (:a, :b)"), {"a": root.id, "b": child.id})
        else:
            session.delete(root)
            session.delete(child)
        session.commit()
        assert counts(session)["study"] == 0


def test_parent_is_not_cut_off_by_the_session(session: Session) -> None:
    """The ORM does not silently turn the variants of a deleted study into roots."""
    root = raw_study(session, "root")
    child = variant(session, root)
    session.commit()
    assert root.children == [child]
    session.delete(root)
    with pytest.raises(sa.exc.IntegrityError):
        session.commit()
    session.rollback()
    assert child.parent_id == root.id


def test_account_leaves_what_it_owned(session: Session) -> None:
    """A deleted account loses its roles. Its objects stay, without an owner."""
    user, group = people(session)
    matrix = Matrix(id="0" * 64, width=1, height=1)
    owned: list[Study | TaskJob | JobResult | DataSet | ConfigData | FileDownload] = [
        RawStudy(name="a", version="860", author="ada", owner=user),
        TaskJob(name="scan", owner=user),
        DataSet(name="loads", owner=user, groups=[group], matrices=[DataSetMatrix(name="fr", matrix=matrix)]),
        ConfigData(key="message", value='"closed"', owner=user),
        FileDownload(name="a", filename="a.zip", path="a.zip", owner=user),
    ]
    session.add_all(owned)
    session.commit()
    session.delete(user)
    session.commit()
    assert [row.owner for row in owned] == [None] * 5
    left = counts(session)
    assert (left["identities"], left["roles"], left["groups"]) == (0, 0, 1)


def test_owner_of_a_bot_stays(session: Session) -> None:
    """The bot has to be revoked before the account of its owner is deleted."""
    user, _ = people(session)
    session.add(Bot(name="token", owner=user))
    session.commit()
    session.delete(user)
    with pytest.raises(sa.exc.IntegrityError):
        session.commit()
