"""Databases that the tests of this folder use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from sqlalchemy import URL

from antarest.migration.database.connection import moving
from antarest.migration.scratch.databases import EngineName, PostgresServer, scratch_database
from tests.support.data.losses import TABLES


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[Callable[[EngineName], URL]]:
    """A database with `TABLES`, one of each engine."""
    with ExitStack() as stack:

        @cache
        def get(engine: EngineName) -> URL:
            url = stack.enter_context(scratch_database(engine, postgres))
            with moving(url) as connection, connection.begin():
                cursor = connection.connection.cursor()
                for statement in TABLES.split(";\n"):
                    cursor.execute(statement)
            return url

        yield get
