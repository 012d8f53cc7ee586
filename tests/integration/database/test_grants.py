"""Two roles on a real PostgreSQL: one owns what migrations create, and the application uses the other one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import (
    URL,
    Column,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import ProgrammingError

from antarest.migration.database.grants import Grant, GrantRefused, grant, missing_grants
from antarest.migration.errors.base import EXIT_USAGE
from antarest.migration.errors.facts.database import RoleMissing
from tests.support.servers.roles import PASSWORD, Roles, connected

DML = ("SELECT", "INSERT", "UPDATE", "DELETE")


def create(roles: Roles, metadata: MetaData) -> str:
    """Create tables and a version table as their owner. Return the name of the application's role."""
    with connected(roles.owner) as connection:
        metadata.create_all(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        connection.commit()
    return str(roles.application.username)


def two_tables() -> MetaData:
    """A table with an identity column, and one whose default uses a separate sequence."""
    metadata = MetaData()
    Table("study", metadata, Column("id", Integer, Identity(), primary_key=True), Column("name", String))
    Table(
        "log",
        metadata,
        Column("id", Integer, Sequence("log_numbers"), primary_key=True),
        Column("study_id", ForeignKey("study.id")),
    )
    return metadata


def test_the_application_lacks_everything_on_tables_that_another_role_created(roles: Roles) -> None:
    role = create(roles, metadata := two_tables())

    with connected(roles.owner) as connection:
        missing = missing_grants(connection, metadata, role)

    assert missing == [
        Grant(("SELECT",), "TABLE", "public", "alembic_version", role),
        Grant(DML, "TABLE", "public", "log", role),
        Grant(DML, "TABLE", "public", "study", role),
        Grant(("USAGE", "SELECT"), "SEQUENCE", "public", "log_numbers", role),
        Grant(("USAGE", "SELECT"), "SEQUENCE", "public", "study_id_seq", role),
    ]
    assert missing[0].sql == f'GRANT SELECT ON TABLE "public"."alembic_version" TO "{role}"'
    with connected(roles.application) as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(select(metadata.tables["study"]))


def test_once_granted_the_application_can_work_but_not_change_the_schema(roles: Roles) -> None:
    role = create(roles, metadata := two_tables())
    with connected(roles.owner) as connection:
        grant(connection, missing_grants(connection, metadata, role))
        assert missing_grants(connection, metadata, role) == []
        connection.commit()

    study, log = metadata.tables["study"], metadata.tables["log"]
    with connected(roles.application) as connection:
        connection.execute(insert(study).values(name="a"))
        connection.execute(insert(log).values(study_id=1))
        connection.execute(log.update().values(study_id=None))
        assert connection.scalar(select(func.count()).select_from(log)) == 1
        connection.execute(study.delete())
        assert connection.execute(text("SELECT * FROM alembic_version")).all() == []
        assert missing_grants(connection, metadata, role) == []
        connection.commit()
        for statement in (
            "INSERT INTO alembic_version VALUES ('a')",
            "DROP TABLE log",
            "ALTER TABLE study ADD a INTEGER",
        ):
            with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
                connection.execute(text(statement))
            connection.rollback()


def test_only_what_is_missing_is_granted(roles: Roles) -> None:
    role = create(roles, metadata := two_tables())
    with connected(roles.owner) as connection:
        grant(connection, missing_grants(connection, metadata, role))
        connection.execute(text(f"REVOKE DELETE, INSERT ON study FROM {role}"))
        connection.execute(text(f"REVOKE USAGE ON SEQUENCE log_numbers FROM {role}"))

        assert missing_grants(connection, metadata, role) == [
            Grant(("INSERT", "DELETE"), "TABLE", "public", "study", role),
            Grant(("USAGE",), "SEQUENCE", "public", "log_numbers", role),
        ]


def test_a_schema_that_nobody_may_enter_is_opened(roles: Roles) -> None:
    role = create(roles, metadata := two_tables())
    roles.execute(roles.superuser, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")

    with connected(roles.owner) as connection:
        missing = missing_grants(connection, metadata, role)
        grant(connection, missing)
        connection.commit()

    assert missing[0] == Grant(("USAGE",), "SCHEMA", "public", "", role)
    assert missing[0].sql == f'GRANT USAGE ON SCHEMA "public" TO "{role}"'
    with connected(roles.application) as connection:
        assert connection.execute(select(metadata.tables["study"])).all() == []


def test_tables_of_another_application_are_left_alone(roles: Roles) -> None:
    role = create(roles, metadata := two_tables())
    roles.execute(roles.owner, "CREATE TABLE theirs (id SERIAL PRIMARY KEY)", "CREATE SEQUENCE their_numbers")

    with connected(roles.owner) as connection:
        missing = missing_grants(connection, metadata, role)
        grant(connection, missing)
        connection.commit()
        rights = connection.execute(
            text(
                f"SELECT has_table_privilege('{role}', 'theirs', 'SELECT, INSERT, UPDATE, DELETE'),"
                f" has_sequence_privilege('{role}', 'theirs_id_seq', 'USAGE, SELECT'),"
                f" has_sequence_privilege('{role}', 'their_numbers', 'USAGE, SELECT')"
            )
        ).one()

    assert not [each for each in missing if "their" in each.name]
    assert tuple(rights) == (False, False, False)


def test_a_table_of_the_same_name_in_another_schema_is_left_alone(roles: Roles) -> None:
    role = create(roles, metadata := two_tables())
    roles.execute(roles.superuser, "CREATE SCHEMA other", "CREATE TABLE other.study (id INTEGER)")

    with connected(roles.owner) as connection:
        assert {each.schema for each in missing_grants(connection, metadata, role)} == {"public"}


def test_what_does_not_exist_yet_is_not_missing(roles: Roles) -> None:
    with connected(roles.owner) as connection:
        assert missing_grants(connection, two_tables(), str(roles.application.username)) == []


def test_owner_superuser_and_members_of_a_role_that_has_them_lack_nothing(roles: Roles) -> None:
    role = create(roles, metadata := two_tables())

    with connected(roles.superuser) as connection:
        for each in (roles.owner, roles.superuser):
            assert missing_grants(connection, metadata, str(each.username)) == []
        assert missing_grants(connection, metadata, role)
        connection.execute(text(f"GRANT {roles.owner.username} TO {role}"))
        assert missing_grants(connection, metadata, role) == []


def test_a_role_that_does_not_exist_is_an_error_with_the_command_that_creates_it(roles: Roles) -> None:
    create(roles, metadata := two_tables())

    with connected(roles.owner) as connection, pytest.raises(RoleMissing) as caught:
        missing_grants(connection, metadata, "no such role")

    assert caught.value.exit_code == EXIT_USAGE
    assert caught.value.message.startswith("the role no such role does not exist on ")
    assert caught.value.hints[0].command.endswith("--pwprompt 'no such role'")
    assert PASSWORD not in str(caught.value.to_dict())


def test_names_may_hold_any_character(roles: Roles) -> None:
    role = f"50% :of \"{roles.application.username}\" 'x'"
    metadata = MetaData(schema='Our "schema"')
    Table("100% :a \"b\" 'c'", metadata, Column("id", Integer, Identity(), primary_key=True))
    quoted = role.replace('"', '""')
    with connected(roles.superuser) as connection:
        connection.exec_driver_sql(f'CREATE ROLE "{quoted}"'.replace("%", "%%"))
        connection.exec_driver_sql('CREATE SCHEMA "Our ""schema"""')
        metadata.create_all(connection)

        missing = missing_grants(connection, metadata, role)
        grant(connection, missing)

        assert [each.kind for each in missing] == ["SCHEMA", "TABLE", "SEQUENCE"]
        assert missing_grants(connection, metadata, role) == []
        connection.rollback()


def test_the_catalog_is_read_without_waiting_for_a_locked_table(roles: Roles) -> None:
    role = create(roles, metadata := two_tables())

    with connected(roles.owner) as holder, connected(roles.owner) as connection:
        holder.execute(text("LOCK TABLE study, log, alembic_version IN ACCESS EXCLUSIVE MODE"))
        connection.execute(text("SET lock_timeout = '500ms'"))
        assert len(missing_grants(connection, metadata, role)) == 5


@pytest.mark.parametrize("warned", [False, True])
def test_a_role_that_may_not_grant_is_told_so(roles: Roles, warned: bool) -> None:
    """If the role has any right on the object, PostgreSQL grants nothing, and only warns."""
    role = create(roles, metadata := two_tables())
    if warned:
        with connected(roles.owner) as connection:
            grant(connection, missing_grants(connection, metadata, role))
            connection.execute(text(f"REVOKE INSERT ON study FROM {role}"))
            connection.commit()

    with connected(roles.application) as connection:
        missing = missing_grants(connection, metadata, role)
        with pytest.raises(GrantRefused) as caught:
            grant(connection, missing)

    error = caught.value
    assert error.hints[0].command == f"{error.grants[0].sql};"
    assert ("the server granted nothing" in error.reason) == warned
    assert PASSWORD not in str(error.to_dict())
    assert error.state == "The rights were not granted."


def test_an_error_about_something_else_passes(roles: Roles) -> None:
    with connected(roles.owner) as connection, pytest.raises(ProgrammingError, match="does not exist"):
        grant(connection, [Grant(("SELECT",), "TABLE", "public", "gone", "nobody")])


def test_on_sqlite_there_are_no_roles(tmp_path: Path) -> None:
    with connected(URL.create("sqlite", database=str(tmp_path / "a.db"))) as connection:
        assert missing_grants(connection, two_tables(), "anybody") == []
        grant(connection, [])
