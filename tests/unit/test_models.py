"""The models: all registered, all named, all indexed, and the same on both engines."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, configure_mappers

import antarest
from antarest.core import columns
from antarest.core.persistence import Base
from antarest.core.tasks.model import TaskJob, TaskJobLog
from antarest.dbmodel import metadata
from antarest.login.model import Bot, Identity, User, UserLdap
from antarest.study.model import PublicMode, RawStudy, Study
from antarest.study.variantstudy.model import VariantStudy
from tests.support.data.studies import people, raw_study, variant
from tests.support.projects.checkouts import run

if TYPE_CHECKING:
    from sqlalchemy import Engine


TABLES = {
    "identities",
    "users",
    "users_ldap",
    "bots",
    "groups",
    "roles",
    "study",
    "rawstudy",
    "group_metadata",
    "tag",
    "study_tag",
    "variantstudy",
    "commandblock",
    "variant_study_snapshot",
    "taskjob",
    "taskjoblog",
    "job_result",
    "launcherjoblog",
    "matrix",
    "dataset",
    "dataset_matrices",
    "matrix_dataset_group",
    "configdata",
    "file_download",
}


def test_every_model_module_is_registered() -> None:
    """A process that imports only the registry knows every table, and has loaded every model module."""
    modules = {
        module.name
        for module in pkgutil.walk_packages(antarest.__path__, "antarest.")
        if module.name.endswith(".model")
    }
    tables, loaded = _loaded_by("antarest.dbmodel", "*antarest.dbmodel.metadata.tables")
    assert tables == TABLES
    assert loaded == modules


def test_each_domain_loads_without_another(subtests: pytest.Subtests) -> None:
    """A model module imports no model module of another domain at run time."""
    for module in sorted({mapper.class_.__module__ for mapper in Base.registry.mappers}):
        with subtests.test(module):
            _, loaded = _loaded_by(module, module)
            domain = "antarest.study." if module.startswith("antarest.study.") else module
            assert module in loaded
            assert {name for name in loaded if not name.startswith(domain)} == set()


def _loaded_by(module: str, expression: str) -> tuple[set[str], set[str]]:
    """Print an expression in a process that imports only `module`; return the output and the loaded model modules."""
    program = f"import sys, {module}; print({expression}); print(*sys.modules)"
    printed, modules = run("python", "-c", program).out.splitlines()
    models = {name for name in modules.split() if name.startswith("antarest.") and name.endswith(".model")}
    return set(printed.split()), models


def test_mappers_configure() -> None:
    """Every relationship by name finds its target, without a warning."""
    for module in pkgutil.walk_packages(antarest.__path__, "antarest."):
        if module.name.endswith(".model"):
            importlib.import_module(module.name)
    configure_mappers()
    assert {mapper.local_table.name for mapper in Base.registry.mappers} == TABLES  # type: ignore[attr-defined]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_every_constraint_has_a_name(dialect: str) -> None:
    """An object without a name in the models has none in the database either, and no revision could drop it."""
    engine = sa.create_mock_engine(f"{dialect}://", lambda *_: None)
    unnamed = [
        f"{table.name}: {constraint!r}"
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if engine.dialect.identifier_preparer.format_constraint(constraint) is None
    ]
    assert unnamed == []


def test_created_constraints_follow_the_convention(engine: Engine) -> None:
    inspector = sa.inspect(engine)
    for table in TABLES:
        assert inspector.get_pk_constraint(table)["name"] == f"pk_{table}"
        for key in inspector.get_foreign_keys(table):
            (column,) = key["constrained_columns"]
            assert key["name"] == f"fk_{table}_{column}_{key['referred_table']}"
        for index in inspector.get_indexes(table):
            assert index["name"] == f"ix_{table}_{'_'.join(map(str, index['column_names']))}"
        for check in inspector.get_check_constraints(table):
            assert str(check["name"]).startswith(f"ck_{table}_")


def test_enum_is_native_or_a_named_check(engine: Engine) -> None:
    """The database stores names, in an enum type on PostgreSQL and with a named CHECK on SQLite. Others are refused."""
    inspector = sa.inspect(engine)
    assert [check["name"] for check in inspector.get_check_constraints("roles")] == (
        ["ck_roles_roletype"] if engine.dialect.name == "sqlite" else []
    )
    with Session(engine) as session:
        people(session)
        session.commit()
        assert session.scalars(sa.text("SELECT type FROM roles")).one() == "ADMIN"
        with pytest.raises((sa.exc.IntegrityError, sa.exc.DataError)):
            session.execute(sa.text("UPDATE roles SET type = 'KING'"))


def test_every_foreign_key_is_indexed() -> None:
    """Otherwise each delete of a study or an account reads whole tables."""
    slow = [
        f"{table.name}.{key.parent.name}"
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if key.parent.name not in {next(iter(index.columns)).name for index in table.indexes}
        and next(iter(table.primary_key.columns)) is not key.parent
    ]
    assert slow == []


def test_inheritance_loads_the_right_classes(session: Session) -> None:
    people(session)
    ldap = UserLdap(name="bob", external_id="b042", firstname="Bob", lastname="B")
    session.add_all([ldap, Bot(name="token", owner=ldap)])
    variant(session, raw_study(session, "root"))
    session.commit()
    session.expunge_all()
    kinds = {type(identity) for identity in session.scalars(sa.select(Identity))}
    assert kinds == {User, UserLdap, Bot}
    assert {type(study) for study in session.scalars(sa.select(Study))} == {RawStudy, VariantStudy}
    bot = session.scalars(sa.select(Bot)).one()
    assert type(bot.owner) is UserLdap
    assert bot.is_author is True
    assert [command.index for command in session.scalars(sa.select(VariantStudy)).one().commands] == [0, 1, 2]


def test_defaults_of_the_database_are_those_of_the_models(engine: Engine) -> None:
    """A row that was inserted without the columns that have a default equals a row of the application."""
    now = "'2030-01-01 00:00:00'"
    with Session(engine) as session:
        session.execute(
            sa.text(
                "INSERT INTO study (id, name, type, version, author, created_at, updated_at)"
                f" VALUES ('s', 's', 'study', '860', 'ada', {now}, {now})"
            )
        )
        study = session.scalars(sa.select(Study)).one()
        assert (study.public_mode, study.archived, study.path) == (PublicMode.NONE, False, None)


def test_log_ids_come_from_the_sequence(engine: Engine) -> None:
    """PostgreSQL uses `tasklog_id_sequence`, which no column owns. SQLite has no sequences, and counts itself."""
    with Session(engine) as session:
        task = TaskJob(name="scan", logs=[TaskJobLog(message=text) for text in ("a", "b")])
        session.add(task)
        session.commit()
        assert [log.id for log in task.logs] == [1, 2]
        if engine.dialect.name == "postgresql":
            assert session.scalars(sa.text("SELECT last_value FROM tasklog_id_sequence")).one() == 2
    assert ("tasklog_id_sequence" in _sequences(engine)) == (engine.dialect.name == "postgresql")


def _sequences(engine: Engine) -> list[str]:
    return sa.inspect(engine).get_sequence_names() if engine.dialect.supports_sequences else []


def test_times_are_naive_utc(session: Session) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    study = RawStudy(name="a", version="860", author="ada")
    session.add(study)
    session.commit()
    created = study.created_at
    assert created.tzinfo is None
    assert before <= created <= columns.utc_now() + timedelta(seconds=1)
