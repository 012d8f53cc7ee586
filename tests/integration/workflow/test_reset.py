"""A reset drops only the objects of the history, and is refused if other people could use the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, make_url

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from antarest.migration.errors.facts.refusal import ResetRefused
from antarest.migration.errors.revision import HEAD
from antarest.migration.schema.compare import differences
from antarest.migration.schema.inventory import Inventory
from antarest.migration.scratch.databases import PostgresServer
from antarest.migration.testing import NewDatabase
from antarest.migration.verify.rows.snapshots import RowSnapshot
from antarest.migration.workflow.reset import require_local
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.programs.user import User
from tests.support.projects.checkouts import ConfigFile
from tests.support.servers.forwarding import forwarded

AGREED = ("--yes", "--allow-data-loss")

THEIRS = {
    "sqlite": (
        "CREATE TABLE theirs (id INTEGER PRIMARY KEY, kind VARCHAR(20) CHECK (kind IN ('A', 'B')))",
        "CREATE INDEX their_index ON theirs (kind)",
        "CREATE TABLE their_copy (kind VARCHAR(20))",
        "CREATE TRIGGER their_trigger AFTER INSERT ON theirs BEGIN INSERT INTO their_copy VALUES (new.kind); END",
        "CREATE VIEW their_view AS SELECT kind FROM theirs",
        "INSERT INTO theirs (kind) VALUES ('A'), ('B')",
    ),
    "postgresql": (
        "CREATE TYPE their_kind AS ENUM ('A', 'B')",
        "CREATE TYPE their_other_kind AS ENUM ('C')",
        "CREATE SEQUENCE their_numbers START 7",
        "CREATE DOMAIN their_domain AS TEXT CHECK (VALUE <> '')",
        "CREATE TABLE theirs (id SERIAL PRIMARY KEY, kind their_kind, name their_domain)",
        "CREATE INDEX their_index ON theirs (kind)",
        "CREATE VIEW their_view AS SELECT kind FROM theirs",
        "INSERT INTO theirs (kind, name) VALUES ('A', 'a'), ('B', NULL)",
    ),
}

SOME_ROWS = (
    "INSERT INTO tag (label) VALUES ('a'), ('b')",
    "INSERT INTO matrix VALUES ('a', 1, 1, '2021-01-01 00:00:00')",
)


@pytest.fixture
def on_postgresql(postgres: PostgresServer, new_database: NewDatabase) -> URL:  # noqa: ARG001 - starts it
    """A PostgreSQL database at head."""
    return new_database("postgresql", HEAD)


@pytest.fixture
def local(migrated_database: URL) -> Iterator[URL]:
    """A database at head on this host, on each engine in turn."""
    if migrated_database.get_backend_name() == "sqlite":
        yield migrated_database
        return
    with forwarded(migrated_database) as url:
        yield url


@pytest.fixture
def user(local: URL, config_file: ConfigFile) -> User:
    return User(local, config_file(local))


def state(user: User) -> tuple[tuple[str, ...], Inventory, RowSnapshot]:
    return user.current(), user.database.schema(), user.database.rows()


def rows_of(user: User) -> int:
    """All rows of all tables."""
    return sum(len(table.rows) for table in user.database.rows().tables.values())


# ---- what it drops


def test_what_belongs_to_others_stays(user: User) -> None:
    user.database.fill()
    user.database.execute(*THEIRS[user.url.get_backend_name()])
    schema, rows, sequences = user.database.schema(), user.database.rows().tables, user.database.sequences()

    done = user.inv("reset", *AGREED)

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert user.current() == (HISTORY.head,)
    assert differences(schema, user.database.schema()) == []
    kept = {name for name, table in user.database.rows().tables.items() if table.rows}
    assert kept == {name for name, table in rows.items() if name.startswith("their") and table.rows}
    assert all(user.database.rows().tables[name] == rows[name] for name in kept)
    theirs = {name: value for name, value in sequences.items() if name.startswith("their")}
    assert theirs.items() <= user.database.sequences().items()


STANDING_ON_OURS = {
    "a view": "CREATE VIEW their_view AS SELECT name FROM study",
    "a foreign key": "CREATE TABLE theirs (study VARCHAR(36) REFERENCES study (id))",
    "a type": "CREATE TABLE theirs (status jobstatus)",
}


@pytest.mark.parametrize("what", STANDING_ON_OURS)
def test_where_others_stand_on_our_objects_nothing_is_dropped(
    on_postgresql: URL, config_file: ConfigFile, what: str
) -> None:
    with forwarded(on_postgresql) as url:
        user = User(url, config_file(url))
        user.database.execute(*SOME_ROWS)
        user.database.execute(STANDING_ON_OURS[what])
        before = state(user)

        done = user.inv("reset", *AGREED)

        assert done.code == EXIT_FAILED
        assert "Nothing was changed." in done.err
        assert state(user) == before


def test_it_works_from_a_revision_that_the_files_do_not_have(user: User) -> None:
    schema = user.database.schema()
    user.database.execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")

    assert user.inv("reset", *AGREED).code == EXIT_DONE
    assert user.current() == (HISTORY.head,)
    assert differences(schema, user.database.schema()) == []


def test_it_works_from_a_schema_that_is_half_there(user: User) -> None:
    """An upgrade without a transaction was killed, and has left tables and types of many revisions."""
    schema = user.database.schema()
    user.database.execute(
        "DROP TABLE study_tag",
        "DROP TABLE taskjoblog",
        "DROP TABLE roles",
        "ALTER TABLE users RENAME COLUMN password_hash TO pwd",
        "ALTER TABLE tag RENAME TO joblog",
        "CREATE TABLE _alembic_tmp_study (id VARCHAR(36) NOT NULL)",
        "DROP TABLE alembic_version",
    )

    done = user.inv("reset", *AGREED)

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert user.current() == (HISTORY.head,)
    assert differences(schema, user.database.schema()) == []


# ---- who has agreed


@pytest.mark.parametrize(
    ("filled", "flags", "code"),
    [
        (True, ("--yes",), "db.E703"),
        (True, ("--allow-data-loss",), "db.E704"),
        (False, (), "db.E704"),
    ],
)
def test_without_a_yes_and_a_permission_nothing_is_dropped(
    user: User, filled: bool, flags: tuple[str, ...], code: str
) -> None:
    if filled:
        user.database.execute(*SOME_ROWS)
    before = state(user)

    refused = refusal(user.inv("reset", *flags), code, EXIT_FAILED)

    assert any(command.startswith("inv db.reset --yes") for command in refused.commands)
    assert state(user) == before


def test_where_nothing_is_lost_a_yes_is_enough(user: User) -> None:
    assert user.inv("reset", "--yes").code == EXIT_DONE
    assert user.current() == (HISTORY.head,)


def test_it_asks_on_a_terminal_and_names_the_database_and_its_rows(user: User) -> None:
    user.database.execute(*SOME_ROWS)
    question = f"Drop {rows_of(user):,} rows in {user.database.workflow.database}? [y/N]"
    before = state(user)

    no = user.at_terminal("inv", "db.reset", answer="n")

    assert no.code == EXIT_FAILED
    assert question in no.out
    assert state(user) == before

    yes = user.at_terminal("inv", "db.reset", answer="y")

    assert yes.code == EXIT_DONE
    assert question in yes.out
    assert rows_of(user) == 0


# ---- where others could work


def test_production_is_refused_unless_it_is_said(local: URL, config_file: ConfigFile) -> None:
    user = User(local, config_file(local, environment="production"))
    user.database.execute(*SOME_ROWS)
    before = state(user)

    refused = refusal(user.inv("reset", *AGREED), "db.E702", EXIT_FAILED)

    assert "environment: production" in refused.fact
    assert state(user) == before
    assert user.inv("reset", *AGREED, "--allow-production").code == EXIT_DONE
    assert rows_of(user) == 0


def test_a_server_on_another_host_is_refused_unless_it_is_said(on_postgresql: URL, config_file: ConfigFile) -> None:
    """The name of the server is not known to be this host. libpq ignores the name, and connects to `hostaddr`."""
    with forwarded(on_postgresql) as local:
        url = local.set(host="db1.example.invalid", query={"hostaddr": "127.0.0.1"})
        user = User(url, config_file(url))
        user.database.execute(*SOME_ROWS)
        before = state(user)

        refused = refusal(user.inv("reset", *AGREED), "db.E702", EXIT_FAILED)

        assert "db1.example.invalid" in refused.fact
        assert state(user) == before
        assert user.inv("reset", *AGREED, "--allow-production").code == EXIT_DONE
        assert rows_of(user) == 0


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@192.0.2.1/d",
        "postgresql://u:p@[2001:db8::1]/d",
        "postgresql://u:p@db1.example.invalid/d",
        "postgresql://u:p@/d?host=localhost&host=192.0.2.1:5433",
        "postgresql://u:p@/d?host=localhost,192.0.2.1",
        "postgresql://u:p@localhost/d?hostaddr=192.0.2.1",
        "postgresql://u:p@/d?service=production",
    ],
)
def test_no_way_to_name_another_host_gets_past(url: str) -> None:
    with pytest.raises(ResetRefused) as caught:
        require_local(make_url(url))
    assert ":p@" not in str(caught.value.to_dict())


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
def test_the_environment_can_name_another_host_too(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "192.0.2.1")

    with pytest.raises(ResetRefused):
        require_local(make_url("postgresql://u:p@/d"))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////mnt/share/antarest.db",
        "postgresql://u:p@localhost/d",
        "postgresql://u:p@127.0.0.2:5433/d",
        "postgresql://u:p@[::1]/d",
        "postgresql://u:p@/d",
        "postgresql://u:p@/d?host=/var/run/postgresql",
        "postgresql://u:p@/d?host=localhost:5433",
    ],
)
def test_this_host_is_not_refused(url: str) -> None:
    require_local(make_url(url))  # raises otherwise
