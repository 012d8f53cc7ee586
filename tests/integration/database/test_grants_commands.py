"""The rights of the application's role, as a user sees and grants them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import (
    URL,
    NullPool,
    create_engine,
    select,
    text,
)
from sqlalchemy.orm import Session

from antarest.core.persistence import Base
from antarest.migration.errors.base import EXIT_FAILED, EXIT_USAGE
from tests.support.programs.runs import Start, refused
from tests.support.projects.checkouts import ConfigFile, Result
from tests.support.projects.histories import Script
from tests.support.servers.roles import PASSWORD, Roles, connected

Run = Callable[..., Result]


@pytest.fixture
def configuration(roles: Roles, config_file: ConfigFile) -> Path:
    """Write the application's role as `db.url`, and the owner as `db.admin_url`."""
    return config_file(roles.application, db={"admin_url": roles.owner.render_as_string(hide_password=False)})


def lacking(run: Run, configuration: Path) -> list[str]:
    """Return the rights that are missing according to `status`."""
    status = run("python", "-m", "antarest.migration", "status", "--json", f"--config={configuration}")
    return list(json.loads(status.out)["missing_grants"])


def use_every_table(application: URL) -> None:
    """Read and write each table of the models as the application does."""
    engine = create_engine(application, poolclass=NullPool)
    with Session(engine) as session:
        for table in Base.metadata.sorted_tables:
            assert session.execute(select(table)).all() == []
            session.execute(table.delete())
            session.execute(table.update().values({each.name: each for each in table.primary_key}))
        for sequence in ("tasklog_id_sequence",):
            assert session.scalar(text(f"SELECT nextval('{sequence}')"))
    with connected(application) as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


@pytest.mark.parametrize(
    "command",
    [
        ("python", "-m", "antarest.migration", "upgrade", "--config={configuration}"),
        ("inv", "db.upgrade", "--config={configuration}"),
        ("alembic", "upgrade", "head"),
    ],
)
def test_each_way_to_upgrade_leaves_the_application_with_its_rights(
    roles: Roles, configuration: Path, run: Run, command: tuple[str, ...]
) -> None:
    done = run(
        *(part.format(configuration=configuration) for part in command), env={"ANTAREST_CONF": str(configuration)}
    )

    assert done.code == 0, done.err
    assert PASSWORD not in done.out + done.err
    use_every_table(roles.application)
    assert lacking(run, configuration) == []


def test_each_step_of_an_upgrade_grants_what_it_created(roles: Roles, configuration: Path, run: Run) -> None:
    for target in ("2ed6bf9f1690", "head"):
        done = run("python", "-m", "antarest.migration", "upgrade", f"--to={target}", f"--config={configuration}")
        assert done.code == 0, done.err
        assert lacking(run, configuration) == []
        with connected(roles.application) as connection:
            assert connection.execute(text("SELECT * FROM taskjob")).all() == []


def test_status_names_a_missing_right_and_grant_mends_it(roles: Roles, configuration: Path, run: Run) -> None:
    run("python", "-m", "antarest.migration", "upgrade", f"--config={configuration}")
    role = roles.application.username
    roles.execute(
        roles.owner,
        f"REVOKE INSERT, DELETE ON study FROM {role}",
        f"REVOKE ALL ON SEQUENCE tasklog_id_sequence FROM {role}",
    )
    expected = [
        f'GRANT INSERT, DELETE ON TABLE "public"."study" TO "{role}"',
        f'GRANT USAGE, SELECT ON SEQUENCE "public"."tasklog_id_sequence" TO "{role}"',
    ]

    assert lacking(run, configuration) == expected
    status = run("inv", "db.status", f"--config={configuration}")
    assert all(statement in status.out for statement in expected)
    granted = run("inv", "db.grant", f"--config={configuration}")

    assert granted.code == 0, granted.err
    assert lacking(run, configuration) == []
    use_every_table(roles.application)


def test_without_models_nobody_says_that_no_right_is_missing(roles: Roles, runner: Start) -> None:
    role = roles.application.username
    here = runner(roles.owner, Script("table", upgrade='sql("CREATE TABLE study ()")'), application_role=role)
    here.database.workflow.upgrade()

    assert "metadata" in refused(here.module("grant"), "db.E210", EXIT_USAGE).fact
    status = json.loads(here.module("status", "--json").end().out)
    assert status["not_checked"][f"rights of {role}"] == "[antarest] metadata is not set, so the tables are not known"


def test_without_a_second_role_nobody_says_that_no_right_is_missing(roles: Roles, runner: Start) -> None:
    here = runner(roles.owner, Script("table", upgrade='sql("CREATE TABLE study ()")'))
    here.database.workflow.upgrade()

    assert "no right was checked, because the configuration names no role" in here.module("grant").end().out


def test_a_role_that_may_not_migrate_is_told_which_right_it_lacks(roles: Roles, runner: Start) -> None:
    role = roles.application.username
    here = runner(roles.application, Script("table", upgrade='sql("CREATE SCHEMA shop")'))

    commands = refused(here.module("upgrade"), "db.E604", EXIT_FAILED).commands
    assert commands[0] == f"GRANT CREATE ON SCHEMA public TO {role};"
    roles.execute(roles.superuser, f"GRANT CREATE ON SCHEMA public TO {role}")
    commands = refused(here.module("upgrade"), "db.E601", EXIT_FAILED).commands
    assert commands[0] == f"GRANT CREATE ON DATABASE {roles.superuser.database} TO {role};"
    roles.execute(roles.superuser, f"GRANT CREATE ON DATABASE {roles.superuser.database} TO {role}")

    assert here.module("upgrade").end().code == 0


def test_an_upgrade_with_nothing_pending_mends_a_missing_right_too(roles: Roles, configuration: Path, run: Run) -> None:
    command = ("python", "-m", "antarest.migration", "upgrade", f"--config={configuration}")
    run(*command)
    roles.execute(roles.owner, f"REVOKE SELECT ON study FROM {roles.application.username}")

    assert run(*command).code == 0
    assert lacking(run, configuration) == []


def test_a_missing_application_role_stops_the_upgrade_before_anything_is_changed(
    roles: Roles, config_file: ConfigFile, run: Run
) -> None:
    file = config_file(roles.owner, db={"application_role": "no such role"})

    done = run("python", "-m", "antarest.migration", "upgrade", f"--config={file}")

    assert done.code == EXIT_USAGE
    assert "db.E304" in done.err
    with connected(roles.superuser) as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) == 0
