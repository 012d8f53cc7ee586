"""The databases for the tests of a project: copies of one template, deleted after the test, or kept if it fails."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from antarest.migration.errors.facts.project import RevisionNotFound
from antarest.migration.testing import templates
from antarest.migration.testing.database_pool import DatabasePool
from antarest.migration.testing.templates import drop_unused, note_use, sqlite_template
from tests.support.projects.histories import STUDY_TABLES, Script, write_project
from tests.support.projects.suites import Suite, execute

LONG_AGO = 1_700_000_000  # seconds since 1970
EIGHT = """
@pytest.mark.parametrize("number", range(4))
def test_it(migrated_database, number):
    assert "name" in columns(migrated_database)
"""


def eventually(found: Callable[[], bool]) -> None:
    """Wait until a thread has done its work."""
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ---- templates


def counting(folder: Path, *also: str) -> Script:
    """Return a revision that adds a line to a file each time that it runs."""
    count = f"open({str(folder / 'count')!r}, 'a').write(op.get_bind().dialect.name + chr(10))"
    return Script("counting", "\n".join([count, *also]))


@pytest.mark.parametrize("flags", [("-n2",), ("-n2", "-p", "no:cacheprovider")], ids=["cache", "no cache"])
def test_all_workers_and_tests_of_a_run_have_one_template_of_each_engine(
    suite: Suite, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    other = Suite(write_project(tmp_path / "other", STUDY_TABLES, counting(tmp_path)).root, suite.server)

    done = other.test(EIGHT, *flags)

    assert re.search(r"^=+ 8 passed in ", done.out, re.MULTILINE), done.out
    assert sorted((tmp_path / "count").read_text().split()) == ["postgresql", "sqlite"]


@pytest.mark.parametrize("flags", [(), ("-n2",)], ids=["one process", "workers"])
def test_where_nobody_can_tell_what_a_revision_does_each_run_makes_its_own(
    suite: Suite, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    other = Suite(write_project(tmp_path / "other", STUDY_TABLES, counting(tmp_path)).root, suite.server)
    notes = f"""
    def test_whose(pytestconfig, migrated_database):
        from antarest.migration.testing import pytest_run, templates

        open({str(tmp_path / "whose")!r}, "a").write(templates.prefix_of(pytest_run.run_id(pytestconfig)) + " ")
    """

    for _ in range(2):
        assert other.test(notes, *flags).code == 0

    assert sorted((tmp_path / "count").read_text().split()) == ["postgresql", "postgresql", "sqlite", "sqlite"]
    runs = set((tmp_path / "whose").read_text().split())
    assert len(runs) == 2
    assert [suite.databases(f"antarest_template_{run}") for run in runs] == [[], []]
    assert not [*other.files.glob("*")]


def test_the_next_run_has_the_same_templates(suite: Suite) -> None:
    assert suite.test(EIGHT).code == 0
    before = suite.made()
    (file,) = suite.files.glob("*.db")
    yesterday = int(time.time()) - 24 * 3600
    os.utime(file, (yesterday, yesterday))
    suite.sql(f"COMMENT ON DATABASE {suite.template} IS 'antarest, for tests, last used {yesterday}'")

    assert suite.test(EIGHT, "-n2").code == 0

    assert suite.made() == before
    assert len(before) == 2
    assert file.stat().st_mtime > yesterday + 3600
    (note,) = suite.sql(
        f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{suite.template}'"
    )
    assert int(str(note).rpartition(" ")[2]) > yesterday + 3600


def test_a_revision_that_has_changed_has_a_new_template(suite: Suite) -> None:
    assert suite.test(EIGHT).code == 0
    suite.sql(f"DROP DATABASE {suite.template}")
    revision = suite.versions / "tables.py"
    revision.write_text(revision.read_text().replace('sa.Column("name"', 'sa.Column("title"'))

    done = suite.test(EIGHT.replace('"name" in', '"title" in'))

    assert done.code == 0, done.out


def test_a_template_that_is_damaged_is_made_anew(suite: Suite, tmp_path: Path) -> None:
    odd = tmp_path / "50% of # and ?"
    file = sqlite_template(suite.start(), odd, odd, "")
    whole = file.stat().st_ino
    assert sqlite_template(suite.start(), odd, odd, "").stat().st_ino == whole
    file.write_bytes(b"SQLite format 3\0 and nothing more")

    assert sqlite_template(suite.start(), odd, odd, "") == file

    assert execute(URL.create("sqlite", database=str(file)), "SELECT count(*) FROM study") == [0]


def test_nobody_connects_to_a_template(suite: Suite) -> None:
    assert suite.test(EIGHT).code == 0

    with pytest.raises(OperationalError, match="not currently accepting connections"):
        execute(suite.server.url.set(database=suite.template), "SELECT 1")


def test_rows_are_in_a_template_of_their_own(suite: Suite) -> None:
    done = suite.test("""
    @pytest.mark.parametrize("number", range(2))
    def test_it(database_at, migrated_database, number):
        assert rows(database_at("tables")) > 0
        assert rows(migrated_database) == 0
    """)

    assert done.code == 0, done.out
    key = suite.start("tables", with_rows=True).key("", str(suite.server.url.username))
    suite.sql(f"DROP DATABASE antarest_template_{key}")


def test_two_projects_of_a_run_have_their_own(suite: Suite) -> None:
    """This holds even if the revisions of both have the same names, and their content is unknown."""
    for name in ("one", "two"):
        sql = f'sql("CREATE TABLE study (id INTEGER, {name} INTEGER)")'
        write_project(suite.folder / name, Script("first", f"open(__file__).close(); {sql}"))
    test = 'MIGRATION_PROJECT = "{0}/alembic.ini"\ndef test_it(migrated_database):\n    assert "{0}" in '
    (suite.folder / "test_two.py").write_text(
        "from test_databases import columns\n" + test.format("two") + "columns(migrated_database)\n"
    )

    done = suite.test(test.format("one") + "columns(migrated_database)\n")

    assert re.search(r"^=+ 4 passed in ", done.out, re.MULTILINE), done.out


def test_a_revision_that_does_not_run_is_named_and_tried_once(suite: Suite, tmp_path: Path) -> None:
    before = set(suite.databases("antarest_test_"))
    script = counting(tmp_path, 'sql("SELECT * FROM nowhere")')
    other = Suite(write_project(tmp_path / "other", STUDY_TABLES, script).root, suite.server)

    done = other.test(EIGHT)

    assert done.out.count("no database at head: counting.py: ") >= 8
    assert "Traceback" not in done.out
    assert "antarest/migration" not in done.out
    assert sorted((tmp_path / "count").read_text().split()) == ["postgresql", "sqlite"]
    left = [name for name in suite.databases("antarest_test_") if str(name).rpartition("_")[2].startswith("t")]
    assert set(left) <= before


def test_what_is_asked_for_in_vain_is_said_as_everywhere(suite: Suite) -> None:
    done = suite.test("""
    def test_unknown(database_at):
        database_at("0009")
    """)

    for engine in ("sqlite", "postgresql"):
        title = rf"_ test_unknown\[{engine}\] _+\n"
        assert re.search(rf"{title}error {RevisionNotFound.code}: there is no revision '0009'\n", done.out)
    assert "antarest/migration" not in done.out

    (suite.folder / "alembic.ini").rename(suite.folder / "other.ini")
    done = suite.test(EIGHT)
    (suite.folder / "other.ini").rename(suite.folder / "alembic.ini")

    assert f"there is no Alembic project at {suite.folder / 'alembic.ini'}" in done.out
    assert "antarest/migration" not in done.out


@pytest.mark.parametrize("flags", [("-p", "no:cacheprovider"), ()], ids=["none", "not to be written"])
def test_a_cache_that_cannot_be_written_is_no_hindrance(suite: Suite, flags: tuple[str, ...]) -> None:
    if not flags:
        suite.files.parent.parent.mkdir()
        suite.files.parent.touch()

    done = suite.test(EIGHT, *flags)

    assert done.code == 0, done.out
    assert not suite.files.exists()


def test_what_nobody_has_asked_for_of_late_goes(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only databases that have our name and our note are deleted."""
    token = suite.template[-20:]
    names = [f"antarest_test_{token}_{number}" for number in range(3)] + [f"my_{token}"]
    notes = [f"{LONG_AGO}", "9" * 10, f"{LONG_AGO}, for Ann", f"{LONG_AGO}"]
    with create_engine(suite.server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        for name, note in zip(names, notes, strict=True):
            connection.execute(text(f"CREATE DATABASE {name}"))
            connection.execute(text(f"COMMENT ON DATABASE {name} IS 'antarest, for tests, last used {note}'"))
        with closing(DatabasePool(suite.server, "run")):
            pass
        there = suite.sql(f"SELECT datname FROM pg_database WHERE datname LIKE '%{token}%' ORDER BY 1")
        for name in names[1:]:
            connection.execute(text(f"DROP DATABASE {name}"))
        connection.execute(text(f"CREATE DATABASE {names[0]}"))
        note_use(connection, names[0])
        drop_unused(connection)
        assert suite.databases(names[0]) == [names[0]]
        connection.execute(text(f"DROP DATABASE {names[0]}"))

    assert there == names[1:]
    monkeypatch.setattr(templates, "_UNUSED", -60)
    (tmp_path / "other.db").touch()
    assert sqlite_template(suite.start(), tmp_path, tmp_path, "").exists()
    assert not (tmp_path / "other.db").exists()


# ---- made ahead, dropped behind


def test_a_pool_makes_what_was_asked_for_twice_ahead_and_leaves_nothing(suite: Suite) -> None:
    with closing(DatabasePool(suite.server, "run")) as pool:
        first = pool.take(None)
        prefix = str(first.database).rpartition("_")[0]
        assert suite.databases(prefix) == [first.database]
        second = pool.take(None)
        eventually(lambda: len(suite.databases(prefix)) == 3)
        ahead = set(suite.databases(prefix)) - {first.database, second.database}
        third = pool.take(None)
        assert {third.database} == ahead
        pool.give_back(first)
        eventually(lambda: first.database not in suite.databases(prefix))
        pool.keep(second)

    assert suite.databases(prefix) == [second.database]
    with closing(DatabasePool(suite.server, "run")):
        assert suite.databases(prefix) == [second.database]
    suite.sql(f"DROP DATABASE {second.database}")


def test_what_went_wrong_ahead_is_no_matter_of_the_next_test(suite: Suite) -> None:
    failed: Future[URL] = Future()
    failed.set_exception(OperationalError("CREATE DATABASE", {}, ConnectionRefusedError()))
    with closing(DatabasePool(suite.server, "run")) as pool:
        pool._in_advance["template0"] = failed

        assert execute(pool.take(None), "SELECT 1") == [1]
