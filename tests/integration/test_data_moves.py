"""The revisions that move data, on values that a generator would not think of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from antarest.core.config import DbConfig
from antarest.migration.errors import RevisionFailed
from antarest.migration.loss import Agreement
from antarest.migration.project import Project
from antarest.migration.workflow import MigrationWorkflow
from tests.support import ROOT

STUDY = (
    "INSERT INTO study (id, name, type, version, author, created_at, updated_at) VALUES"
    " (:id, :name, 'rawstudy', '880', 'ann', '2020-01-01 00:00:00', '2020-01-01 00:00:00')"
)


class Database:
    """A database that is moved between revisions, with SQL in between."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.workflow = MigrationWorkflow(Project.load(ROOT / "alembic.ini"), DbConfig(url))

    def at(self, revision: str) -> Database:
        """Go to a revision, and agree to the declared losses."""
        if revision in {each.id for each in self.workflow.pending()}:
            self.workflow.upgrade(revision)
        else:
            self.workflow.rollback(self.workflow.plan_rollback(to=revision), Agreement(everything=True))
        return self

    def execute(self, statement: str, *rows: dict[str, Any]) -> None:
        """Run a statement for each row, and commit."""
        with create_engine(self._url, poolclass=NullPool).begin() as connection:
            connection.execute(text(statement), rows or None)

    def select(self, query: str) -> Sequence[Any]:
        """The rows of a query, as tuples."""
        with create_engine(self._url, poolclass=NullPool).connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def database(empty_database: URL) -> Database:
    """An empty database, on each engine in turn."""
    return Database(empty_database)


def test_the_path_of_a_study_moves_there_and_back(database: Database) -> None:
    """Paths that are NULL, empty or not ASCII go from `rawstudy` to `study` with 0146b79f723c, and back."""
    paths = [("a", "/studies/a"), ("b", None), ("c", ""), ("d", "C:\\études\\été 100%")]
    database.at("c62d08f4ae91")
    database.execute(STUDY, *({"id": id_, "name": id_} for id_, _ in paths))
    raw = "INSERT INTO rawstudy (id, content_status, workspace, path) VALUES (:id, 'VALID', 'default', :path)"
    database.execute(raw, *({"id": id_, "path": path} for id_, path in paths))

    assert database.at("0146b79f723c").select("SELECT id, path FROM study ORDER BY id") == paths
    assert database.at("c62d08f4ae91").select("SELECT id, path FROM rawstudy ORDER BY id") == paths


def test_tags_become_rows_and_a_list_again(database: Database) -> None:
    """The labels in the JSON of each study become rows with 03a6d9c7e5f1, and a sorted list again on the way back."""
    tags = {
        "none": "[]",
        "one": '["winter"]',
        "two": '["2030", "winter"]',
        "odd": '["a \\"quote\\"", "été", "😀"]',
        "twice": '["winter", "2030", "winter"]',
    }
    database.at("b84f2e03d69c")
    database.execute(STUDY, *({"id": id_, "name": id_} for id_ in tags))
    database.execute("UPDATE study SET tags = :tags WHERE id = :id", *({"id": i, "tags": t} for i, t in tags.items()))

    database.at("03a6d9c7e5f1")
    carried = {
        "one": ["winter"],
        "two": ["2030", "winter"],
        "odd": ['a "quote"', "été", "😀"],
        "twice": ["2030", "winter"],
    }
    assert set(database.select("SELECT study_id, tag_label FROM study_tag")) == {
        (study, label) for study, labels in carried.items() for label in labels
    }
    assert {label for (label,) in database.select("SELECT label FROM tag")} == set().union(*carried.values())

    database.at("b84f2e03d69c")
    assert dict(database.select("SELECT id, tags FROM study")) == {**tags, "twice": '["2030", "winter"]'}


def test_tags_that_are_no_json_stop_the_upgrade(database: Database) -> None:
    """Nobody guesses what a broken text meant: the run is rolled back, and the text is still there."""
    database.at("b84f2e03d69c")
    database.execute(STUDY, {"id": "a", "name": "a"})
    database.execute("UPDATE study SET tags = 'winter, 2030'")

    with pytest.raises(RevisionFailed) as error:
        database.workflow.upgrade()

    assert error.value.revision == "03a6d9c7e5f1"
    assert database.workflow.current() == ("b84f2e03d69c",)
    assert database.select("SELECT tags FROM study") == [("winter, 2030",)]


def test_directory_ids_that_two_accounts_share_are_told_apart(database: Database) -> None:
    """ec715f8b2d40 makes the id unique: the oldest account keeps it, the others get their own id added."""
    database.at("03a6d9c7e5f1")
    for id_, external in ((1, "ann"), (2, "ann"), (3, "bob")):
        database.execute("INSERT INTO identities (id, name, type) VALUES (:i, 'n', 'users_ldap')", {"i": id_})
        ldap = "INSERT INTO users_ldap (id, external_id, firstname, lastname) VALUES (:i, :e, 'f', 'l')"
        database.execute(ldap, {"i": id_, "e": external})

    database.at("ec715f8b2d40")

    assert database.select("SELECT id, external_id FROM users_ldap ORDER BY id") == [
        (1, "ann"),
        (2, "ann#2"),
        (3, "bob"),
    ]
