"""The revisions that move data, value by value, with the values that they declare as lost."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import URL

from antarest.migration.errors.facts.run import RevisionFailed
from tests.support.data.database import HISTORY, Database

PATH, TAGS, INDEXES, OWNER, VERSION = "0146b79f723c", "03a6d9c7e5f1", "ec715f8b2d40", "1be8f4530ac6", "a17b6c0fd942"

STUDY = (
    "INSERT INTO study (id, name, type, version, author, created_at, updated_at)"
    " VALUES ('{0}', 'a', 'rawstudy', '860', 'a', '2021-01-01 00:00:00', '2021-01-01 00:00:00')"
)
IDENTITY = "INSERT INTO identities (id, name, type) VALUES ({0}, 'a', '{1}')"
LDAP = "INSERT INTO users_ldap (id, external_id, firstname, lastname) VALUES ({0}, '{1}', 'a', 'a')"


@pytest.fixture
def database(empty_database: URL) -> Database:
    return Database(empty_database)


def below(revision: str) -> str:
    return HISTORY.states_below([revision])[0]


def test_the_path_of_a_raw_study_moves_to_the_study_and_back(database: Database) -> None:
    """Variants have a path only after the upgrade, and lose it in the downgrade."""
    database.upgrade(below(PATH))
    database.execute(
        *(STUDY.format(id_) for id_ in ("raw", "none", "variant")),
        "INSERT INTO rawstudy (id, content_status, path) VALUES ('raw', 'VALID', '/a'), ('none', 'VALID', NULL)",
        "INSERT INTO variantstudy (id) VALUES ('variant')",
    )

    database.upgrade(PATH)
    paths = "SELECT id, path FROM study ORDER BY id"
    assert database.query(paths) == [("none", None), ("raw", "/a"), ("variant", None)]

    database.execute("UPDATE study SET path = '/b' WHERE id = 'variant'")
    database.downgrade(below(PATH))
    assert database.query("SELECT id, path FROM rawstudy ORDER BY id") == [("none", None), ("raw", "/a")]

    database.upgrade(PATH)
    assert database.query(paths) == [("none", None), ("raw", "/a"), ("variant", None)]


def test_the_tags_in_a_json_text_become_rows_and_a_json_text_again(database: Database) -> None:
    """The list comes back without repetitions, sorted by code point."""
    tags = {
        "a": ["winter", "2030", "winter"],
        "b": [],
        "c": ["2030", "été", "Été", 'a "b"', "back\\slash", "a, b", "", "日本"],
    }
    database.upgrade(below(TAGS))
    database.execute(*(STUDY.format(id_) for id_ in tags))
    for id_, labels in tags.items():
        database.execute(f"UPDATE study SET tags = :tags WHERE id = '{id_}'", tags=json.dumps(labels))

    database.upgrade(TAGS)
    pairs = {(id_, label) for id_, labels in tags.items() for label in labels}
    assert sorted(database.query("SELECT study_id, tag_label FROM study_tag")) == sorted(pairs)
    assert sorted(database.query("SELECT label, color FROM tag")) == sorted({(label, None) for _, label in pairs})

    database.downgrade(below(TAGS))
    found = {id_: json.loads(text) for id_, text in database.query("SELECT id, tags FROM study")}
    assert found == {id_: sorted(set(labels)) for id_, labels in tags.items()}


def test_tags_that_are_no_json_list_stop_the_upgrade_and_nothing_is_changed(
    database: Database, subtests: pytest.Subtests
) -> None:
    database.upgrade(below(TAGS))
    database.execute(STUDY.format("a"), STUDY.format("b"), """UPDATE study SET tags = '["summer"]'""")
    for text in ("", "winter", '["winter"', '{"a": "winter"}', '"winter"', "5"):
        with subtests.test(text):
            database.execute("UPDATE study SET tags = :text WHERE id = 'b'", text=text)
            before = database.schema(), database.rows()

            with pytest.raises(RevisionFailed) as caught:
                database.upgrade(TAGS)

            assert caught.value.revision == TAGS
            assert database.workflow.current() == (below(TAGS),)
            assert (database.schema(), database.rows()) == before


def test_of_accounts_that_share_an_external_id_the_oldest_keeps_it(database: Database) -> None:
    database.upgrade(below(INDEXES))
    accounts = {1: "jane", 2: "joe", 3: "jane", 4: "jane", 5: "x" * 255, 6: "x" * 255}
    database.execute(*(IDENTITY.format(id_, "users_ldap") for id_ in accounts))
    database.execute(*(LDAP.format(id_, external) for id_, external in accounts.items()))

    database.upgrade(INDEXES)

    expected = accounts | {3: "jane#3", 4: "jane#4", 6: "x" * 240 + "#6"}
    assert dict(database.query("SELECT id, external_id FROM users_ldap")) == expected


def test_a_task_keeps_its_owner_where_the_schema_below_can_hold_it(database: Database) -> None:
    database.upgrade(OWNER)
    task = (
        "INSERT INTO taskjob (id, name, status, creation_date, owner_id)"
        " VALUES ('{0}', 'a', 'PENDING', '2021-01-01 00:00:00', {0})"
    )
    database.execute(
        IDENTITY.format(1, "users"),
        IDENTITY.format(2, "users_ldap"),
        "INSERT INTO users (id, password_hash) VALUES (1, 'a')",
        LDAP.format(2, "a"),
        *(task.format(id_) for id_ in (1, 2)),
    )

    database.downgrade(below(OWNER))
    owners = "SELECT id, owner_id FROM taskjob ORDER BY id"
    assert database.query(owners) == [("1", 1), ("2", None)]

    database.upgrade(OWNER)
    assert database.query(owners) == [("1", 1), ("2", None)]


def test_every_command_that_was_there_before_is_of_version_1(database: Database) -> None:
    database.upgrade(below(VERSION))
    database.execute(
        STUDY.format("a"),
        "INSERT INTO variantstudy (id) VALUES ('a')",
        "INSERT INTO commandblock VALUES ('a', 'a', 0, 'create_area', '{}'), ('b', 'a', 1, 'remove_area', '{}')",
    )

    database.upgrade(VERSION)

    assert database.query("SELECT id, version FROM commandblock ORDER BY id") == [("a", 1), ("b", 1)]
