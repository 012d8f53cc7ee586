"""No password is shown, neither where all is well nor in a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from antarest.core.config import normalise_url
from antarest.core.errors import EXIT_DONE, EXIT_USAGE
from antarest.core.urls import redact_url
from tests.refusals import SECRET
from tests.support import run
from tests.workshop import ENVIRONMENT, Workshop


@pytest.fixture
def login(postgres_database: URL) -> Iterator[URL]:
    """A role that may create tables, whose password is easily misread."""
    superuser = create_engine(normalise_url(postgres_database), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = f"role_{postgres_database.database}"
    with superuser.connect() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET.replace(':', chr(92) + ':')}'"))
        connection.execute(text(f"GRANT CREATE, USAGE ON SCHEMA public TO {name}"))
    yield postgres_database.set(username=name, password=SECRET)
    with superuser.connect() as connection:
        connection.execute(text(f"DROP OWNED BY {name} CASCADE"))
        connection.execute(text(f"DROP ROLE {name}"))


COMMANDS = (
    "python -m antarest.migration upgrade --dry-run --debug",
    "alembic upgrade head",
    "python -m antarest.migration status --json",
    "python -m antarest.migration history",
    "python -m antarest.migration rollback",
    # These show what Alembic is connected to.
    "alembic current --verbose",
    "alembic upgrade head --sql",
)


def test_no_password_is_shown_where_all_is_well(tmp_path: Path, login: URL) -> None:
    here = Workshop.create(tmp_path, "merge", login)

    for command in COMMANDS:
        result = here.run(command)
        assert (result.code, bool(result.out + result.err)) == (EXIT_DONE, True), result.err
        assert "s3cr3t" not in result.out + result.err


def test_a_password_among_the_parameters_is_not_shown_either(tmp_path: Path, login: URL) -> None:
    here = Workshop.create(tmp_path, "merge", login.set(password=None, query={"password": SECRET}))

    result = here.run("alembic upgrade head")

    assert result.code == EXIT_DONE
    assert f"Database {redact_url(login)}" in result.err
    assert "s3cr3t" not in result.out + result.err


def test_the_traceback_that_debug_shows_has_no_password(tmp_path: Path, postgres_database: URL) -> None:
    here = Workshop.create(tmp_path, url=postgres_database.set(password=SECRET))

    shown = run("inv", "db.status", "--debug", cwd=here.folder, env=ENVIRONMENT, traceback=True)

    assert shown.code == EXIT_USAGE
    assert "Traceback (most recent call last)" in shown.err
    assert "s3cr3t" not in shown.out + shown.err
