"""A reset drops every kind of object that the history made, and counts every row that is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import NOTHING_CHANGED
from antarest.migration.errors.facts.refusal import ResetBlocked, ResetNotConfirmed
from antarest.migration.schema.objects import ObjectKey, read_objects
from antarest.migration.scratch.databases import EngineName
from tests.integration.conftest import Build
from tests.support.projects.histories import STUDY_ROWS, STUDY_TABLES, Database, Script, write_project

EVERY_KIND = {
    "sqlite": """
        CREATE VIEW labels AS SELECT label FROM study_tag;
        CREATE VIEW recent_labels AS SELECT label FROM labels;
        CREATE VIRTUAL TABLE note USING fts5(body);
        CREATE TABLE note_archive (body TEXT);
        CREATE TRIGGER tidy AFTER DELETE ON study BEGIN DELETE FROM study_tag WHERE study_id = old.id; END;
        CREATE TRIGGER into_labels INSTEAD OF INSERT ON labels BEGIN INSERT INTO study_tag VALUES (1, new.label); END
    """,
    "postgresql": """
        CREATE SCHEMA archive;
        CREATE SCHEMA IF NOT EXISTS shared;
        CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE TYPE archive.place AS (x INTEGER, y INTEGER);
        CREATE TYPE span AS RANGE (SUBTYPE = DATE);
        CREATE DOMAIN short AS TEXT CHECK (length(VALUE) < 9);
        CREATE SEQUENCE numbers START 7;
        CREATE FUNCTION first_mood() RETURNS mood LANGUAGE sql AS 'SELECT ''good''::mood';
        CREATE TABLE event (
            at DATE, mood mood DEFAULT first_mood(), place archive.place, name short, number INTEGER DEFAULT
            nextval('numbers')) PARTITION BY RANGE (at);
        CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        CREATE TABLE archive."odd: 5%%" (id SERIAL PRIMARY KEY, study INTEGER REFERENCES study);
        ALTER TABLE study ADD COLUMN odd INTEGER REFERENCES archive."odd: 5%%";
        CREATE VIEW labels AS SELECT label, mood FROM study_tag, event;
        CREATE VIEW recent_labels AS SELECT * FROM labels;
        CREATE VIEW more_labels AS SELECT * FROM labels;
        CREATE MATERIALIZED VIEW kept_labels AS SELECT * FROM more_labels;
        CREATE FUNCTION events(low DATE) RETURNS SETOF event LANGUAGE sql AS 'SELECT * FROM event WHERE at > low';
        CREATE FUNCTION events(low INTEGER) RETURNS INTEGER LANGUAGE sql AS 'SELECT low';
        CREATE VIEW recent AS SELECT * FROM events('2024-02-02'::DATE);
        CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM study_tag WHERE label IS NULL';
        CREATE AGGREGATE total (INTEGER) (SFUNC = int4pl, STYPE = INTEGER);
        CREATE FUNCTION noted() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER noted AFTER INSERT ON study FOR EACH ROW EXECUTE FUNCTION noted();
        CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
        ALTER TABLE study_tag ENABLE ROW LEVEL SECURITY;
        CREATE POLICY everybody ON study_tag USING (TRUE);
        CREATE FOREIGN DATA WRAPPER elsewhere;
        CREATE SERVER other_server FOREIGN DATA WRAPPER elsewhere;
        CREATE FOREIGN TABLE other_study (id INTEGER) SERVER other_server;
        CREATE PUBLICATION changes FOR TABLE study
    """,
}
BESIDE_EVERY_KIND = {
    "sqlite": (
        "CREATE TRIGGER theirs AFTER INSERT ON study BEGIN DELETE FROM study_tag WHERE label = 'none'; END",
        "INSERT INTO note VALUES ('one'), ('two')",
        "INSERT INTO note_archive VALUES ('three')",
    ),
    "postgresql": (
        "CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "INSERT INTO event SELECT DATE '2024-12-31' + n FROM generate_series(0, 2) n",
        "CREATE TRIGGER theirs AFTER INSERT ON study FOR EACH ROW EXECUTE FUNCTION noted()",
        "CREATE TABLE shared.theirs (id INTEGER)",
        "CREATE FUNCTION theirs() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW their_view AS SELECT theirs() AS one",
        "CREATE TYPE their_mood AS ENUM ('good')",
    ),
}


def kinds(engine: EngineName) -> tuple[Script, Script]:
    """Return a revision that creates an object of every kind, and one that drops a view again."""
    made = [" ".join(each.split()) for each in EVERY_KIND[engine].split(";\n")]
    return Script("kinds", upgrade=f"sql(*{made!r})"), Script("gone", upgrade='sql("DROP VIEW recent_labels")')


def objects(database: Database) -> set[ObjectKey]:
    with database.connect() as connection:
        return {each.key for each in read_objects(connection)}


def test_every_kind_of_object_of_the_history_is_dropped_and_made_again(filled: Build, engine_name: EngineName) -> None:
    """Objects that others have added to our tables are dropped too, and named. Rows of their partitions are counted."""
    database = filled(*kinds(engine_name))
    database.workflow.upgrade()
    made = objects(database)
    database.execute(*BESIDE_EVERY_KIND[engine_name])
    on = " on study" if engine_name == "postgresql" else ""
    theirs = objects(database) - made - {ObjectKey("table", "event_2025"), ObjectKey("trigger", f"theirs{on}")}

    plan = database.workflow.plan_reset(allow_production=True)
    database.workflow.reset(plan)

    assert plan.along == (f"trigger theirs{on}",)
    assert {table: rows for table, rows in plan.rows.items() if rows} == {"study": 3, "study_tag": 4} | (
        {"note": 2, "note_archive": 1} if engine_name == "sqlite" else {"event_2024": 1, "event_2025": 2}
    )
    assert database.workflow.current() == ("gone",)
    assert objects(database) == made | theirs


DEPENDENTS = {
    "a view on a view": (
        ("CREATE VIEW theirs AS SELECT * FROM study_labels", "CREATE VIEW other AS SELECT * FROM theirs"),
        ("view theirs depends on view study_labels", "view other depends on view theirs"),
    ),
    "a foreign key": (
        ("CREATE TABLE theirs (study INTEGER CONSTRAINT to_study REFERENCES study)",),
        ("constraint to_study on table theirs depends on table study",),
    ),
    "a default": (
        ("CREATE TABLE theirs (id INTEGER DEFAULT one())",),
        ("default value for column id of table theirs depends on function one()",),
    ),
    "a type": (
        ("CREATE TABLE theirs (mood mood)",),
        ("column mood of table theirs depends on type mood",),
    ),
    "a function": (
        ("CREATE FUNCTION theirs() RETURNS SETOF study LANGUAGE sql AS 'SELECT * FROM study'",),
        ("function theirs() depends on type study",),
    ),
    "a subclass": (
        ("CREATE TABLE theirs () INHERITS (study)",),
        ("table theirs depends on table study",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("theirs", "named"), DEPENDENTS.values(), ids=DEPENDENTS)
def test_the_objects_of_others_that_depend_on_the_history_are_named(
    postgres_filled: Build, theirs: tuple[str, ...], named: tuple[str, ...]
) -> None:
    function = "CREATE FUNCTION one() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'"
    made = [function, "CREATE VIEW study_labels AS SELECT id FROM study", "CREATE TYPE mood AS ENUM ('good')"]
    database = postgres_filled(Script("kinds", upgrade=f"sql(*{made!r})"))
    database.workflow.upgrade()
    database.execute(*theirs)
    before = database.state()

    with pytest.raises(ResetBlocked) as refused:
        database.workflow.reset(database.workflow.plan_reset(allow_production=True), everything=True)

    assert refused.value.dependents == tuple(named)
    assert refused.value.state == NOTHING_CHANGED
    assert database.state() == before


def test_rows_of_others_that_would_refer_to_nothing_are_refused(sqlite_filled: Build) -> None:
    """A row that a revision inserts exists again after the reset, so rows of others may refer to it."""
    made = ["CREATE TABLE country (code TEXT PRIMARY KEY)", "INSERT INTO country VALUES ('fr')"]
    database = sqlite_filled(Script("country", upgrade=f"sql(*{made!r})"))
    database.workflow.upgrade()
    database.execute(
        "CREATE TABLE theirs (study INTEGER REFERENCES study, country TEXT REFERENCES country)",
        "INSERT INTO theirs VALUES (1, 'fr')",
    )
    before = database.state()

    with pytest.raises(ResetBlocked) as refused:
        database.workflow.reset(database.workflow.plan_reset(), everything=True)
    assert refused.value.dependents == ("rows of table theirs depend on table study",)
    assert database.state() == before

    database.execute("UPDATE theirs SET study = NULL")
    database.workflow.reset(database.workflow.plan_reset(), everything=True)
    assert database.value("SELECT country FROM theirs") == "fr"


def test_rows_that_others_write_after_the_agreement_are_refused(filled: Build) -> None:
    database = filled()
    plan = database.workflow.plan_reset(allow_production=True)
    database.execute("INSERT INTO study_tag VALUES (3, 'late')")
    before = database.state()

    with pytest.raises(ResetNotConfirmed, match="would lose 8 rows in 2 tables, and you have agreed to lose 7 rows"):
        database.workflow.reset(plan)
    assert database.state() == before
    database.workflow.reset(plan, everything=True)
    assert database.value("SELECT count(*) FROM study_tag") == 0


def test_large_objects_stay(postgres_filled: Build) -> None:
    """A large object belongs to no table. Its number is only a value in a row, and others may use the object too."""
    database = postgres_filled(
        Script("made", upgrade="sql(\"CREATE TABLE paper AS SELECT lo_from_bytea(0, 'ours') AS content\")")
    )
    database.workflow.upgrade()
    ours = database.value("SELECT content FROM paper")
    theirs = database.value("SELECT lo_from_bytea(0, 'theirs')")

    plan = database.workflow.plan_reset(allow_production=True)
    database.workflow.reset(plan)

    assert plan.rows["paper"] == 1
    assert database.value("SELECT content FROM paper") != ours
    found = [database.value(f"SELECT convert_from(lo_get({number}), 'UTF8')") for number in (ours, theirs)]
    assert found == ["ours", "theirs"]


def test_a_large_object_that_a_revision_deletes_is_not_counted(postgres_filled: Build) -> None:
    made = "CREATE TABLE paper AS SELECT lo_from_bytea(0, 'text') AS content"
    database = postgres_filled(
        Script("made", upgrade=f'sql("{made}")'), Script("gone", upgrade='sql("SELECT lo_unlink(content) FROM paper")')
    )

    assert database.workflow.upgrade().losses == []
    assert database.value("SELECT count(*) FROM pg_largeobject_metadata") == 0


def test_rows_that_the_role_cannot_see_are_an_unknown_number(login: URL, tmp_path: Path) -> None:
    database = Database(login, write_project(tmp_path / "project", STUDY_TABLES))
    database.workflow.upgrade()
    database.execute(
        *STUDY_ROWS,
        "ALTER TABLE study ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE study FORCE ROW LEVEL SECURITY",
    )
    plan = database.workflow.plan_reset(allow_production=True)

    assert (plan.loses, plan.amount) == (True, "4 rows and an unknown number of rows")
