"""The cache of scratch databases: no revision runs twice for the same database, and no result depends on the cache."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from antarest.migration.errors.facts.run import ScratchRunFailed
from antarest.migration.project.project import Project
from antarest.migration.schema.objects import ObjectKey
from antarest.migration.scratch import cache
from antarest.migration.scratch.migrated import downgrade_effects, objects_of_history, scratch_at
from tests.support.projects.checkouts import run
from tests.support.projects.histories import Script, write_project, write_script

Ran = Callable[[], list[str]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Return the revisions that have run since the last call."""
    log: list[str] = []
    monkeypatch.setattr(sa, "ran", log, raising=False)  # A revision writes here that it has run, without a file.

    def ask() -> list[str]:
        found = list(log)
        log.clear()
        return found

    return ask


def script(name: str, column: str = "name") -> Script:
    """Return a revision that creates a table, and records that it has run."""
    table = f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("{column}", sa.Text))'
    says = f'getattr(sa, "ran", []).append("{name}")'
    return Script(name, upgrade=f"{table}\n{says}", downgrade=f'op.drop_table("{name}")\n{says}')


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two revisions, in a git repository."""
    made = write_project(tmp_path / "project", script("one"), script("two"))
    run("git", "init", "--quiet", cwd=made.root)
    return made


def tables(project: Project, *revisions: str) -> set[str]:
    """Return the tables of a scratch database at these revisions, or at head."""
    with scratch_at(project, revisions or project.history.heads) as connection:
        rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {row[0] for row in rows} - {"alembic_version"}


def kept(project: Project) -> list[Path]:
    """Return the files in the cache."""
    return sorted((project.root / ".git" / "antarest" / "scratch").glob("*.db"))


def test_what_has_run_does_not_run_again(project: Project, ran: Ran) -> None:
    assert (tables(project), ran()) == ({"one", "two"}, ["one", "two"])
    assert (tables(Project.load(project.ini)), ran()) == ({"one", "two"}, [])
    assert (tables(project, "one"), ran()) == ({"one"}, ["one"])
    assert (tables(project, "one"), ran()) == ({"one"}, [])


def test_only_what_is_new_runs(project: Project, ran: Ran) -> None:
    tables(project)
    ran()

    write_script(project.versions[0], script("three"), "two")

    assert (tables(Project.load(project.ini)), ran()) == ({"one", "two", "three"}, ["three"])


def test_an_edited_revision_runs_again_and_all_after_it(project: Project, ran: Ran) -> None:
    tables(project, "one")
    tables(project)
    ran()

    write_script(project.versions[0], script("two", column="label"), "one")

    with scratch_at(Project.load(project.ini), ["two"]) as connection:
        assert [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(two)")] == ["id", "label"]
    assert ran() == ["two"]


def test_a_table_of_alembic_by_another_name_is_another_database(project: Project, ran: Ran) -> None:
    tables(project)
    ran()

    project.ini.write_text(f"{project.ini.read_text()}\n[antarest]\nversion_table = versions\n")

    assert "versions" in tables(Project.load(project.ini))
    assert ran() == ["one", "two"]


def test_a_damaged_file_is_put_away(project: Project, ran: Ran) -> None:
    tables(project)
    ran()
    kept(project)[0].write_bytes(b"SQLite format 3\0" + b"\1" * 5000)

    assert (tables(project), ran()) == ({"one", "two"}, ["one", "two"])
    assert (tables(project), ran()) == ({"one", "two"}, [])


def test_what_is_done_to_a_copy_stays_there(project: Project) -> None:
    with scratch_at(project, ["two"]) as connection:
        connection.exec_driver_sql("DROP TABLE one")
        connection.commit()

    assert tables(project) == {"one", "two"}
    assert [effect.dropped for effect in downgrade_effects(project, connection, ["two"], ["two", "one"])] == [
        ["two"],
        ["one"],
    ]
    assert tables(project) == {"one", "two"}


def test_a_revision_that_fails_leaves_nothing_there(project: Project) -> None:
    broken = Script("three", upgrade='sql("CREATE TABLE three (id INTEGER)", "SELECT nothing")')
    write_script(project.versions[0], broken, "two")

    with pytest.raises(ScratchRunFailed):
        tables(Project.load(project.ini))

    assert kept(project) == []


def test_the_oldest_go(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_KEPT", 2)
    for name in ("three", "four", "five"):
        tables(project)
        write_script(project.versions[0], script(name), project.history.head)
        project = Project.load(project.ini)
    tables(project)

    found = set()
    for file in kept(project):
        with sqlite3.connect(file) as connection:
            found |= set(connection.execute("SELECT version_num FROM alembic_version"))
        connection.close()
    assert found == {("four",), ("five",)}


def test_every_object_of_the_history_is_noted(project: Project, ran: Ran) -> None:
    expected = {ObjectKey("table", "one"), ObjectKey("table", "two")}
    with sa.create_engine("sqlite://").connect() as connection:
        assert (objects_of_history(project, connection), ran()) == (expected, ["one", "two"])
        assert (objects_of_history(project, connection), ran()) == (expected, [])


def test_without_a_repository_nothing_is_kept(tmp_path: Path, ran: Ran) -> None:
    project = write_project(tmp_path / "project", script("one"))
    before = set(project.root.rglob("*"))

    for _ in range(2):
        assert (tables(project), ran()) == ({"one"}, ["one"])
    assert {path for path in set(project.root.rglob("*")) - before if "__pycache__" not in path.parts} == set()


def test_where_nothing_can_be_written_the_revisions_run(project: Project, ran: Ran) -> None:
    project.root.joinpath(".git", "antarest").write_text("in the way")

    for _ in range(2):
        assert (tables(project), ran()) == ({"one", "two"}, ["one", "two"])


@pytest.mark.parametrize(
    "line",
    ["import helper", "from shop import models", "import os, json", "from . import there", "ROWS = open('rows.csv')"],
)
def test_a_revision_that_uses_anything_else_runs_each_time(project: Project, ran: Ran, line: str) -> None:
    path = write_script(project.versions[0], script("three"), "two")
    path.write_text(path.read_text().replace("revision = 'three'", f"if False:\n    {line}\nrevision = 'three'"))
    assert f"    {line}\n" in path.read_text()

    tables(Project.load(project.ini))
    ran()

    assert (tables(Project.load(project.ini)), ran()) == ({"one", "two", "three"}, ["one", "two", "three"])
    assert (tables(project, "two"), ran()) == ({"one", "two"}, ["one", "two"])
    assert (tables(Project.load(project.ini)), ran()) == ({"one", "two", "three"}, ["three"])


def test_where_it_is_full_what_is_there_stays(project: Project, ran: Ran, tmp_path: Path) -> None:
    tables(project)
    ran()

    assert cache.ScratchCache(project, ["one", "two"]).copy_to(tmp_path / "no folder" / "copy.db") == 0

    assert (tables(project), ran()) == ({"one", "two"}, [])


def test_what_a_killed_process_has_left_goes(project: Project) -> None:
    tables(project)
    (old := kept(project)[0].with_name(".writing-old")).touch()
    (new := kept(project)[0].with_name(".writing-new")).touch()
    os.utime(old, (0, 0))

    tables(project, "one")

    assert (old.exists(), new.exists()) == (False, True)


def test_it_is_for_everybody_who_shares_the_clone(project: Project) -> None:
    tables(project)

    assert [oct(path.stat().st_mode & 0o777) for path in kept(project)] == ["0o644"]


def test_a_revision_on_a_scratch_database_reads_an_attached_file_and_does_not_write_to_it(tmp_path: Path) -> None:
    """The file may belong to the user, and a run refuses such a write too."""
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript("CREATE TABLE tag (label); INSERT INTO tag VALUES ('theirs')")
    reads = f"sql(\"ATTACH '{other}' AS a\", 'CREATE TABLE t AS SELECT * FROM a.tag')"
    writes = f"sql(\"ATTACH '{other}' AS b\", 'DELETE FROM b.tag')"
    up = write_project(tmp_path / "up", Script("reads", reads), Script("writes", writes))
    down = write_project(tmp_path / "down", Script("reads", reads), Script("writes", downgrade=writes))

    with scratch_at(up, ["reads"]) as connection:
        assert connection.exec_driver_sql("SELECT label FROM t").scalar() == "theirs"
    with pytest.raises(ScratchRunFailed, match="it writes to the attached database b"), scratch_at(up, ["writes"]):
        pass
    with (
        sa.create_engine("sqlite://").connect() as connection,
        pytest.raises(ScratchRunFailed, match="it writes to the attached database b"),
    ):
        downgrade_effects(down, connection, ["writes"], ["writes"])

    with closing(sqlite3.connect(other)) as connection:
        assert connection.execute("SELECT label FROM tag").fetchall() == [("theirs",)]

    missing = tmp_path / "missing.db"
    lost = write_project(tmp_path / "lost", Script("lost", f"sql(\"ATTACH '{missing}' AS a\")"))
    with pytest.raises(ScratchRunFailed, match="there is no such file"), scratch_at(lost, ["lost"]):
        pass
    assert not missing.exists()
