"""Measure moves of data on a million rows: one statement, our operation, `executemany`, and a loop over rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, text

from antarest.migration.scratch.databases import EngineName, PostgresServer, scratch_database
from benchmarks.measure import Row, Side, alternate, peak_memory, row, run, within

ROWS = 1_000_000
ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")

_FILL = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
    " INSERT INTO {table} (id, {column}) SELECT i, {value} FROM n",
    "postgresql": "INSERT INTO {table} (id, {column}) SELECT i, {value} FROM generate_series(1, {rows}) AS n(i)",
}
_PROGRAM = """
import sys
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
import antarest.migration.run.operations
engine = sa.create_engine(sys.argv[1], poolclass=sa.pool.NullPool)
with engine.begin() as connection:
    op = Operations(MigrationContext.configure(connection))
    if sys.argv[2] == "statement":
        op.execute("UPDATE study SET path = raw.path FROM raw WHERE raw.id = study.id")
    elif sys.argv[2] == "operation":
        op.move_column("raw.path", "study.path", on={"id": "id"})
    else:
        statement = sa.text("UPDATE study SET path = :path WHERE id = :id")
        rows = connection.execute(sa.text("SELECT id, path FROM raw")).fetchall()
        if sys.argv[2] == "executemany":
            connection.execute(statement, [{"id": id_, "path": path} for id_, path in rows])
        else:
            for id_, path in rows:
                connection.execute(statement, {"id": id_, "path": path})
"""


def moving(folder: Path, server: PostgresServer) -> Iterator[Row]:
    """Measure `op.move_column` and a single statement in turn, and each of the slower ways once."""
    for engine in ENGINES:
        with scratch_database(engine, server) as url:
            _fill(url, ROWS)
            sides = {way: _side(folder, url, way) for way in ("operation", "statement", "executemany", "loop")}
            ours, theirs = alternate(partial(run, sides["operation"]), partial(run, sides["statement"]), 3)
            yield row(f"`op.move_column` of 1,000,000 rows, compared with one statement, {engine}", ours, theirs, 1.2)
            memory = peak_memory(sides["operation"]), peak_memory(sides["statement"])
            yield within(f"the same, MiB, {engine}", memory[0], memory[1] + 10, "MiB", memory[1], target="+10")
            for way, what in (("executemany", "`executemany`"), ("loop", "a loop with one UPDATE for each row")):
                yield row(f"{what}, compared with one statement for all rows, {engine}", run(sides[way]), theirs, None)
    for engine in ENGINES:
        with scratch_database(engine, server) as url:
            _fill(url, 10 * ROWS)
            seconds = run(_side(folder, url, "operation"))
            yield row(f"`op.move_column` of 10,000,000 rows, {engine}", seconds, 0, None)


def _side(folder: Path, url: URL, way: str) -> Side:
    return Side(["python", "-c", _PROGRAM, url.render_as_string(hide_password=False), way], folder, {})


def _fill(url: URL, rows: int) -> None:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        for table in ("study", "raw"):
            connection.execute(text(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, path VARCHAR(50))"))
        fill = _FILL[url.get_backend_name()]
        connection.execute(text(fill.format(table="study", column="path", value="NULL", rows=rows)))
        connection.execute(text(fill.format(table="raw", column="path", value="'/data/' || i", rows=rows)))
