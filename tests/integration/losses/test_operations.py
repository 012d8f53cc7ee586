"""Operations that move data: the same result on both engines, in one statement, in ranges, and as SQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.facts.run import RevisionFailed
from antarest.migration.errors.listener import Listener
from antarest.migration.release.sql_scripts import upgrade_sql
from antarest.migration.scratch.migrated import scratch_at
from tests.support.programs.runs import Start
from tests.support.projects.histories import Database, Script, write_project

TABLES = Script(
    "tables",
    upgrade="""
        op.create_table(
            "study",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(20)),
            sa.Column("tags", sa.Text),
        )
        op.create_table(
            "raw",
            sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id"), primary_key=True),
            sa.Column("path", sa.String(20)),
        )
        op.create_table("job", sa.Column("id", sa.Integer, primary_key=True), sa.Column("study_id", sa.Integer))
        op.create_table("label", sa.Column("study_id", sa.Integer), sa.Column("tag", sa.String(20)))
        op.create_table("tag", sa.Column("name", sa.String(20), primary_key=True))
        op.create_table("archive", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(20)))
    """,
)
ROWS = (
    *(f'INSERT INTO study VALUES ({n}, \'S{n}\', \'["b", "a{n}", "b", null, "é"]\')' for n in range(1, 8)),
    "UPDATE study SET tags = '[]' WHERE id = 7",
    "INSERT INTO study (id) VALUES (8)",
    *(f"INSERT INTO raw VALUES ({n}, '/{n}')" for n in range(1, 6)),
    *(f"INSERT INTO job VALUES ({n}, {n % 3 + 1})" for n in range(1, 6)),
)
SQUARES = [
    ("S1", "/1"),
    ("S2", "/2"),
    ("S3", "/3"),
    ("S4", "/4"),
    ("S5", "/5"),
    ("S6", None),
    ("S7", None),
    (None, None),
]

Moved = Callable[..., Database]


class Heard(Listener):
    """A listener that keeps the progress of a move of data."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, int, int]] = []

    def moved(self, table: str, done: int, total: int, seconds: float) -> None:
        """Keep the progress."""
        assert seconds >= 0
        self.moves.append((table, done, total))


@pytest.fixture
def moved(tmp_path: Path, empty_database: URL) -> Moved:
    """Create a database with rows, and run a revision with this body: `moved(upgrade, downgrade)`."""

    def move(upgrade: str, downgrade: str = "pass", heard: Heard | None = None, **declared: object) -> Database:
        script = Script("moving", upgrade=upgrade, downgrade=downgrade, **declared)  # type: ignore[arg-type]
        database = Database(empty_database, write_project(tmp_path / "project", TABLES, script))
        database.workflow.upgrade(to="tables")
        database.execute(*ROWS)
        database.workflow_with(heard).upgrade()
        return database

    return move


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


CHUNKS = pytest.mark.parametrize("chunk", [0, 1, 2, 3, 7, 100])


@CHUNKS
def test_a_column_moves_along_a_foreign_key(moved: Moved, chunk: int) -> None:
    database = moved(f"""
        op.add_column("study", sa.Column("path", sa.String(20)))
        op.move_column("raw.path", "study.path", on={{"study_id": "id"}}, chunk={chunk})
    """)
    assert rows(database, "SELECT name, path FROM study ORDER BY id") == SQUARES


@CHUNKS
def test_and_back(moved: Moved, chunk: int) -> None:
    database = moved(f"""
        op.add_column("job", sa.Column("name", sa.String(20)))
        op.move_column("study.name", "job.name", on={{"id": "study_id"}}, chunk={chunk})
    """)
    assert rows(database, "SELECT id, name FROM job ORDER BY id") == [(n, f"S{n % 3 + 1}") for n in range(1, 6)]


def test_a_value_that_would_win_by_chance_is_refused(moved: Moved) -> None:
    with pytest.raises(RevisionFailed, match=r"job\.id has several values for one row of study\.name"):
        moved('op.move_column("job.id", "study.name", on={"study_id": "id"})')


@CHUNKS
def test_rows_are_filled(moved: Moved, chunk: int) -> None:
    database = moved(f"""
        op.add_column("study", sa.Column("level", sa.Integer))
        op.backfill("study", {{"level": 3, "name": sa.text("lower(name)")}}, where="id > 2", chunk={chunk})
    """)
    assert rows(database, "SELECT name, level FROM study ORDER BY id") == [
        ("S1", None),
        ("S2", None),
        *((f"s{n}", 3) for n in range(3, 8)),
        (None, 3),
    ]


@CHUNKS
def test_rows_are_copied(moved: Moved, chunk: int) -> None:
    database = moved(f"""
        title = sa.text("name || '!'")
        op.copy_rows("study", "archive", {{"id": "id", "title": title}}, where="id <> 4 AND id < 8", chunk={chunk})
        op.copy_rows("archive", "tag", {{"name": "title"}}, chunk={chunk})
    """)
    expected = [(n, f"S{n}!") for n in range(1, 8) if n != 4]
    assert rows(database, "SELECT id, title FROM archive ORDER BY id") == expected
    assert rows(database, "SELECT name FROM tag ORDER BY name") == [(title,) for _, title in expected]


@CHUNKS
def test_a_list_becomes_rows_and_a_list_again(moved: Moved, chunk: int) -> None:
    database = moved(
        f"""
        op.split_json("study.tags", "tag", value="name", keys={{}}, chunk={chunk})
        op.split_json("study.tags", "label", value="tag", keys={{"id": "study_id"}}, chunk={chunk})
        op.execute("UPDATE study SET tags = 'none'")
        op.join_json("label", "study.tags", value="tag", keys={{"study_id": "id"}}, chunk={chunk})
        """
    )
    assert len(rows(database, "SELECT * FROM label")) == 18
    assert [name for (name,) in rows(database, "SELECT name FROM tag ORDER BY length(name), name")][:1] == ["b"]
    lists = [tags for (tags,) in rows(database, "SELECT tags FROM study ORDER BY id")]
    assert lists == [*(f'["a{n}", "b", "é"]' for n in range(1, 7)), "none", "none"]


@pytest.mark.parametrize("text", ["{}", "1", "nothing"])
def test_what_is_no_list_stops_the_revision(moved: Moved, text: str) -> None:
    with pytest.raises(RevisionFailed):
        moved(f"""
            op.execute("UPDATE study SET tags = '{text}' WHERE id = 3")
            op.split_json("study.tags", "label", value="tag", keys={{"id": "study_id"}})
        """)


def test_whoever_listens_hears_how_far_it_is(moved: Moved) -> None:
    heard = Heard()
    moved('op.backfill("study", {"name": "x"}, chunk=3)', heard=heard)
    assert heard.moves == [("study", 3, 8), ("study", 6, 8), ("study", 8, 8)]


def test_of_a_small_table_nothing_is_said(moved: Moved) -> None:
    heard = Heard()
    moved('op.backfill("study", {"name": "x"})', heard=heard)
    assert heard.moves == []


def test_as_sql_it_is_one_statement(tmp_path: Path) -> None:
    script = Script(
        "moving",
        upgrade="""
            op.move_column("raw.path", "study.name", on={"study_id": "id"}, chunk=1)
            op.backfill("study", {"name": "x"}, chunk=1)
            op.copy_rows("study", "archive", ["id"], chunk=1)
            op.split_json("study.tags", "label", value="tag", keys={"id": "study_id"}, chunk=1)
            op.join_json("label", "study.tags", value="tag", keys={"study_id": "id"}, chunk=1)
        """,
    )
    project = write_project(tmp_path / "project", TABLES, script)

    statements = "".join(upgrade_sql(project, "tables", "moving")).split(";")

    assert [" ".join(each.split()[:3]) for each in statements if " study" in each or "archive" in each] == [
        "-- Running upgrade",
        "UPDATE study SET",
        "INSERT INTO archive",
        "INSERT INTO label",
        "UPDATE study SET",
    ]
    with scratch_at(project, ["moving"]) as connection:  # The same on an empty scratch database, as for a plan.
        assert connection.exec_driver_sql("SELECT count(*) FROM study").scalar() == 0


@pytest.mark.parametrize("name", ["path", ""])
def test_a_name_without_a_table_is_refused(moved: Moved, name: str) -> None:
    with pytest.raises(RevisionFailed, match=r'must have the form "table\.column"'):
        moved(f'op.move_column("{name}", "study.name", on={{"study_id": "id"}})')


def test_a_plan_knows_them(runner: Start, sqlite_database: URL) -> None:
    """The plan is made before a run, so the process has not yet imported the modules that run revisions."""
    moving = Script("moving", downgrade='op.backfill("study", {"name": None})')
    here = runner(sqlite_database, TABLES, moving)
    here.database.workflow.upgrade()

    planned = here.module("rollback", "--dry-run").end()

    assert planned.code == EXIT_DONE, planned.err
