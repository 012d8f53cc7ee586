"""A batch makes the same table as with plain Alembic, whatever foreign keys the table has."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import BatchOperations, Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import NullPool, create_engine

from antarest.migration.run.revision_operations import revision_operations

PARENTS = "CREATE TABLE p (id INTEGER PRIMARY KEY, code VARCHAR(9) UNIQUE, CONSTRAINT pk2 UNIQUE (id, code));"
TABLES = {
    "a key": "CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id) ON DELETE CASCADE, n INTEGER)",
    "a key without a column": "CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p, n INTEGER)",
    "a composite key": "CREATE TABLE t (id INTEGER, p INTEGER, c VARCHAR(9), n INTEGER,"
    " CONSTRAINT fk FOREIGN KEY (p, c) REFERENCES p (id, code) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED)",
    "a key to itself": "CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER, n INTEGER,"
    " CONSTRAINT fk FOREIGN KEY (p) REFERENCES t (id) ON DELETE SET NULL)",
    "a column that gets its type by its key": "CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES p(id), n INTEGER)",
    "a table between": "CREATE TABLE q (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id));"
    " CREATE TABLE t (id INTEGER PRIMARY KEY, q INTEGER REFERENCES q(id), n INTEGER)",
}
_PLAIN = """
import sys, warnings
warnings.simplefilter("ignore")
from alembic.operations import BatchOperations, Operations
from alembic.operations import BatchOperations, Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
with create_engine(sys.argv[1]).begin() as connection:
    with Operations(MigrationContext.configure(connection)).batch_alter_table("t") as batch:
        batch.drop_column("n")
"""


def schema(file: Path) -> list[str]:
    """Return the texts that SQLite keeps for the schema."""
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name")]


def make(file: Path, text: str) -> str:
    """Create a database with the parents and this table, and return its URL."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"{PARENTS}{text};")
    return f"sqlite:///{file}"


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_the_table_is_that_of_plain_alembic(tmp_path: Path, text: str) -> None:
    ours, plain = tmp_path / "ours.db", tmp_path / "plain.db"
    subprocess.run([sys.executable, "-c", _PLAIN, make(plain, text)], check=True)

    with warnings.catch_warnings(), create_engine(make(ours, text), poolclass=NullPool).begin() as connection:
        warnings.simplefilter("ignore")
        with (
            revision_operations(MigrationContext.configure(connection)) as operations,
            operations.batch_alter_table("t") as batch,
        ):
            batch.drop_column("n")

    assert schema(ours) == schema(plain)
    assert not any(" n INTEGER" in table for table in schema(ours))


def test_it_reads_the_one_table_and_no_other(tmp_path: Path) -> None:
    url = make(tmp_path / "database.db", TABLES["a table between"])
    read: set[str] = set()

    with create_engine(url, poolclass=NullPool).begin() as connection:
        sa.event.listen(
            connection,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, *_rest: read.update(statement.split('"')[1::2]),
        )
        with (
            revision_operations(MigrationContext.configure(connection)) as operations,
            operations.batch_alter_table("t") as batch,
        ):
            batch.drop_column("n")

    assert {"t", "p", "q"} & read == {"t"}


def test_what_is_given_by_position_is_taken(tmp_path: Path) -> None:
    url = make(tmp_path / "database.db", TABLES["a key"])
    listeners: list[object] = []
    given = {"listeners": [("column_reflect", lambda *seen: listeners.append(seen))]}

    with (
        create_engine(url, poolclass=NullPool).begin() as connection,
        revision_operations(MigrationContext.configure(connection)) as operations,
        operations.batch_alter_table("t", None, "auto", None, None, (), {}, (), given) as batch,
    ):
        batch.drop_column("n")

    assert len(listeners) == 3
    assert not any(" n INTEGER" in table for table in schema(tmp_path / "database.db"))


def test_alembic_itself_is_left_as_it_is(tmp_path: Path) -> None:
    """The program can use Alembic for something else too, even during a run."""
    with (
        create_engine(make(tmp_path / "database.db", TABLES["a key"]), poolclass=NullPool).begin() as connection,
        revision_operations(MigrationContext.configure(connection)),
    ):
        changed = [
            each.__module__
            for each in (Operations.batch_alter_table, Operations.invoke, BatchOperations.invoke)
            if each.__module__ != "alembic.operations.base"
        ]
        implementations: dict[tuple[type, str], Callable[..., object]] = Operations._to_impl._registry
        changed += [
            each.__module__
            for (operation, _), each in implementations.items()
            if operation.__module__ == "alembic.operations.ops" and each.__module__ != "alembic.operations.toimpl"
        ]

    assert changed == []
