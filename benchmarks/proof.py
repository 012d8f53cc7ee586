"""Measure the proof of a history, and the tests of pytest-alembic on the same history."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from antarest.migration.scratch.databases import URL_VARIABLE, EngineName, PostgresServer, scratch_database
from benchmarks import histories
from benchmarks.measure import Known, Row, Side, compare, run, within

REVISIONS, TABLES = 100, 60
_COPIES = "PostgreSQL copies five databases for each revision, and one process proves all revisions of an engine"
_WHOLE = "the history as a whole is proved again, so all other revisions run once"
LIMITS = {  # seconds, for both engines together
    "at first": (40, Known(120, _COPIES)),
    "again": (6, None),
    "with one revision more": (5, Known(8, _WHOLE)),
}
ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")

_CONFTEST = """
import os
import pytest
from sqlalchemy import NullPool, create_engine


@pytest.fixture
def alembic_config():
    return {"file": "plain.ini"}


@pytest.fixture
def alembic_engine():
    return create_engine(os.environ["BENCH_URL"], poolclass=NullPool)
"""
_TESTS = "from pytest_alembic.tests import test_single_head_revision, test_up_down_consistency, test_upgrade\n"
_ENV = """
from alembic import context

engine = context.config.attributes["connection"]
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def proving(folder: Path, server: PostgresServer) -> Iterator[Row]:
    """Measure our proof with rows, and the tests of pytest-alembic, which upgrade and downgrade without rows."""
    bench = histories.write(folder / "project", REVISIONS, tables=TABLES)
    (bench.folder / "conftest.py").write_text(_CONFTEST)
    (bench.folder / "test_history.py").write_text(_TESTS)
    (bench.folder / "plain" / "env.py").write_text(_ENV)
    packages = folder / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), "pytest-alembic"]
    subprocess.run(pip, check=True)
    shown = server.url.render_as_string(hide_password=False)
    verify = ["antarest-verify", f"--project={bench.folder / 'alembic.ini'}"]
    tests = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "."]
    cache = folder / "cache"
    own = {URL_VARIABLE: shown, "XDG_CACHE_HOME": str(cache)}
    forget = partial(shutil.rmtree, cache, ignore_errors=True)
    what = f"the proof of {REVISIONS} revisions and {TABLES} tables"
    for engine in ENGINES:
        with scratch_database(engine, server) as url:
            theirs = {"BENCH_URL": url.render_as_string(hide_password=False), "ADDED_PATH": str(packages)}
            yield compare(
                f"{what}, compared with the tests of pytest-alembic, {engine}",
                Side(
                    [*verify, f"--engine={engine}"],
                    bench.folder,
                    own,
                    partial(shutil.rmtree, cache, ignore_errors=True),
                ),
                Side(tests, bench.folder, theirs),
                None,
                repeats=3,
            )
    forget()
    for when, (limit, known) in LIMITS.items():
        if when == "with one revision more":
            histories.add(bench.folder / "versions", REVISIONS, TABLES)
        yield within(f"{what}, both engines, {when}, s", run(Side(verify, bench.folder, own)), limit, "s", known=known)
