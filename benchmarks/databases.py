"""Measure how long a test waits for a migrated database, compared with the fastest way of each engine."""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text

from antarest.migration.database.connection import moving
from antarest.migration.errors.revision import HEAD
from antarest.migration.project.project import Project
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from antarest.migration.scratch.runner import ScratchRunner
from antarest.migration.testing.database_pool import DatabasePool
from antarest.migration.testing.pytest_run import target_at
from antarest.migration.testing.templates import Template
from benchmarks.measure import Row, alternate, row
from tests.support.projects.checkouts import ROOT

REPEATS = 31
A_SHORT_TEST = 0.05  # seconds


def for_a_test(folder: Path, server: PostgresServer) -> Iterator[Row]:
    """Measure the creation of a database that is a copy of a migrated template."""
    project = Project.own()
    names = count()
    with scratch_database("sqlite") as template:
        with moving(template) as connection:
            ScratchRunner.of(project).upgrade(connection)
        file = Path(str(template.database))

        def ours() -> None:
            with scratch_database("sqlite", template=template.database) as url:
                _select(sqlite3.connect(str(url.database)))

        def bare() -> None:
            copy = folder / f"{next(names)}.db"
            shutil.copy(file, copy)
            _select(sqlite3.connect(copy))
            copy.unlink()

        yield row("a migrated SQLite database to a file copy with a SELECT", *alternate(ours, bare, REPEATS), 3.0)
    with scratch_database("postgresql", server) as template:
        with moving(template) as connection:
            ScratchRunner.of(project).upgrade(connection)

        def ours_too() -> None:
            with scratch_database("postgresql", server, template=template.database):
                pass

        def bare_too() -> None:
            name = f"bench_{next(names)}"
            for statement in (f'CREATE DATABASE {name} TEMPLATE "{template.database}"', f"DROP DATABASE {name}"):
                with create_engine(server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as other:
                    other.execute(text(statement))

        what = "a migrated PostgreSQL database to CREATE DATABASE ... TEMPLATE, each made and dropped"
        yield row(what, *alternate(ours_too, bare_too, REPEATS), 1.2)
        what = "the time that a test waits for its PostgreSQL database, compared with CREATE DATABASE ... TEMPLATE"
        yield row(what, *_waits(server, str(template.database)), 0.5)


def _waits(server: PostgresServer, template: str) -> tuple[float, float]:
    """Return two medians in seconds: the time for which a test waits for a database, and the time of the statement."""
    start = Template(target_at(ROOT / "alembic.ini"), HEAD)
    waited, bare = [], []
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with closing(DatabasePool(server, "benchmark")) as pool, engine.connect() as maintenance:
        for number in range(REPEATS):
            began = time.perf_counter()
            url = pool.take(start)
            waited.append(time.perf_counter() - began)
            time.sleep(A_SHORT_TEST)
            pool.give_back(url)
            time.sleep(A_SHORT_TEST)
            began = time.perf_counter()
            maintenance.execute(text(f"CREATE DATABASE bench_waits_{number} TEMPLATE {template}"))
            bare.append(time.perf_counter() - began)
            maintenance.execute(text(f"DROP DATABASE bench_waits_{number}"))
    engine.dispose()
    return statistics.median(waited), statistics.median(bare)


def _select(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
