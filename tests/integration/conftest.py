"""Databases that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support_histories import STUDY_ROWS, STUDY_TABLES, Database, Script, write_project
from tests.support_roles import Roles, two_roles

Build = Callable[..., Database]


@pytest.fixture
def filled(tmp_path: Path, empty_database: URL) -> Build:
    """A database with `STUDY_TABLES` and `STUDY_ROWS`, and these revisions still pending: `filled(*scripts)`."""

    def build(*scripts: Script, before: tuple[str, ...] = ()) -> Database:
        database = Database(empty_database, write_project(tmp_path / "project", STUDY_TABLES, *scripts))
        database.workflow.upgrade(to="tables")
        database.execute(*STUDY_ROWS, *before)
        return database

    return build


@pytest.fixture
def roles(postgres_database: URL) -> Iterator[Roles]:
    with two_roles(postgres_database) as roles:
        yield roles
