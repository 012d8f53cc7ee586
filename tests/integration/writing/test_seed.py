"""A filled development database: it has every kind of row, always the same, and only if it was empty before."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import URL, func, select
from sqlalchemy.orm import Session

from antarest.dbmodel import metadata
from antarest.login.model import User as Account
from antarest.migration.database.engines import create_db_engine
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from antarest.migration.errors.revision import HEAD
from antarest.migration.scratch.databases import EngineName
from antarest.migration.testing import NewDatabase
from antarest.study.model import Study
from tests.support.checks.refusals import parse, refusal
from tests.support.data.database import HISTORY
from tests.support.programs.user import User, assert_shows
from tests.support.projects.checkouts import ROOT, ConfigFile
from tests.support.projects.workshop import Workshop

HERE = "--allow-production"  # the server of the tests may be anywhere


@pytest.fixture
def user(migrated_database: URL, config_file: ConfigFile) -> User:
    return User(migrated_database, config_file(migrated_database))


def numbers(user: User) -> dict[str, int]:
    """Return how many rows each table has."""
    with user.database.connected() as connection:
        tables = metadata.tables.items()
        return {name: connection.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables}


# ---- what it fills


def test_every_table_is_filled_and_so_many_studies(user: User) -> None:
    """There are more studies than are inserted at the same time. The printed numbers are those of the database."""
    done = user.inv("seed", "--studies=600", HERE)

    found = numbers(user)
    assert (done.code, done.err) == (EXIT_DONE, "")
    assert found["study"] == found["rawstudy"] + found["variantstudy"] == 600
    assert [name for name, number in found.items() if not number] == []
    printed = dict(line.split()[:2] for line in done.out.splitlines() if line.startswith("  "))
    assert {name: int(number.replace(",", "")) for name, number in printed.items()} == found
    assert_shows(done.out, f"seeded: {sum(found.values()):,} rows in {len(found)} tables in ")


@pytest.mark.usefixtures("postgres")
def test_both_engines_get_the_same_rows_each_time(new_database: NewDatabase, config_file: ConfigFile) -> None:
    def seeded(engine: EngineName) -> object:
        url = new_database(engine, HEAD)
        user = User(url, config_file(url))
        assert user.module("seed", "--studies=40", HERE).code == EXIT_DONE
        return user.database.rows()

    first = seeded("sqlite")

    assert seeded("sqlite") == first
    assert seeded("postgresql") == first


def test_variants_grow_on_variants_and_never_before_their_parent(user: User) -> None:
    user.inv("seed", "--studies=300", HERE)

    parents = dict(user.database.query("SELECT id, parent_id FROM study"))
    created = dict(user.database.query("SELECT id, created_at FROM study"))
    kinds = dict(user.database.query("SELECT id, type FROM study"))

    def depth(study: str) -> int:
        parent = parents[study]
        return 0 if parent is None else 1 + depth(parent)

    depths = Counter(map(depth, parents))
    assert depths[0] > 50
    assert depths[3] > 5
    assert all(created[study] >= created[parent] for study, parent in parents.items() if parent)
    assert all((kinds[study] == "variantstudy") == bool(parent) for study, parent in parents.items())


def test_the_application_goes_on_where_the_seed_ended(user: User) -> None:
    """The application can insert rows, because the next identifiers are free, and it can load the seeded rows."""
    user.inv("seed", HERE)
    engine = create_db_engine(user.url)

    with Session(engine) as session, session.begin():
        session.add(Account(name="new", password_hash="x"))
        session.flush()
        studies = session.scalars(select(Study)).all()
        assert len(studies) == 200
        assert any(study.tags and study.groups and study.children for study in studies)
    engine.dispose()


# ---- what it says meanwhile


def test_a_terminal_shows_how_far_it_is(user: User) -> None:
    done = user.at_terminal("inv", "db.seed", "--studies=20", HERE, env={"NO_COLOR": "1"})

    assert done.code == EXIT_DONE
    assert "rows, study_tag" in done.out
    assert done.out.splitlines()[-1].startswith("seeded: ")


def test_an_interrupted_seed_leaves_nothing(user: User) -> None:
    """Ctrl-C on a terminal stops the seed in the middle of many rows."""
    before = numbers(user)
    here, there = pty.openpty()
    command = [sys.executable, "-m", "antarest.migration", "seed", "--studies=900000", HERE, f"--config={user.config}"]
    with subprocess.Popen(command, cwd=ROOT, stdin=there, stdout=there, stderr=there, start_new_session=True) as seed:
        os.close(there)
        shown = b""
        while b"taskjoblog" not in shown:
            shown += os.read(here, 65_536)
        os.kill(seed.pid, 2)
        try:
            while part := os.read(here, 65_536):
                shown += part
        except OSError:  # Linux says EIO at the end
            pass
        code = seed.wait(120)
    os.close(here)

    assert (code, b"interrupted" in shown, b"Traceback" in shown) == (EXIT_INTERRUPTED, True, False)
    assert numbers(user) == before


# ---- what it refuses


def test_a_database_with_rows_is_refused(user: User) -> None:
    user.database.execute("INSERT INTO tag (label) VALUES ('mine')")
    before = user.database.rows()

    error = refusal(user.inv("seed", HERE), "db.E721", EXIT_FAILED)

    assert error.fact == "db.seed fills an empty database, and this one has 1 row in 1 table"
    assert user.database.rows() == before


def test_a_second_seed_adds_nothing(user: User) -> None:
    user.inv("seed", "--studies=10", HERE)
    before = user.database.rows()

    refusal(user.inv("seed", "--studies=10", HERE), "db.E721", EXIT_FAILED)

    assert user.database.rows() == before


@pytest.mark.parametrize("behind", [1, len(HISTORY)])
def test_a_database_that_is_not_at_head_is_refused(behind: int, empty_database: URL, config_file: ConfigFile) -> None:
    user = User(empty_database, config_file(empty_database))
    user.database.upgrade(to=("base", *HISTORY.order)[-1 - behind])
    before = user.database.rows()

    error = refusal(user.inv("seed", HERE), "db.E720", EXIT_FAILED)

    assert error.fact.startswith("db.seed needs a database at head: it is at ")
    assert error.commands == ["inv db.upgrade"]
    assert user.database.rows() == before


def test_production_is_refused(migrated_database: URL, config_file: ConfigFile) -> None:
    user = User(migrated_database, config_file(migrated_database, environment="production"))

    error = refusal(user.inv("seed"), "db.E702", EXIT_FAILED)

    assert error.fact == "db.seed is refused: its configuration says environment: production"
    assert error.commands[-1] == "inv db.seed --allow-production"
    assert not any(numbers(user).values())


def test_a_server_on_another_host_is_refused(config_file: ConfigFile) -> None:
    url = URL.create("postgresql", "me", "s3cr3t", "192.0.2.1", 5432, "antarest")

    error = refusal(User(url, config_file(url)).inv("seed"), "db.E702", EXIT_FAILED)

    assert error.fact == "db.seed is refused: its server 192.0.2.1 is not on this host"


@pytest.mark.parametrize("studies", ["0", "-5", "many", "1.5", "10000000", " "])
def test_what_is_no_number_of_studies(studies: str, migrated_database: URL, config_file: ConfigFile) -> None:
    user = User(migrated_database, config_file(migrated_database))

    error = refusal(user.inv("seed", f"--studies={studies}"), "usage.E101", EXIT_USAGE)

    assert error.fact == f"--studies must be a whole number from 1 to 9999999, not {studies!r}"


def test_a_file_that_cannot_be_written_is_named(config_file: ConfigFile, tmp_path: Path) -> None:
    """The folder is gone. The message of the driver is part of an error in our form."""
    url = URL.create("sqlite", database=str(tmp_path / "missing" / "antarest.db"))

    error = refusal(User(url, config_file(url)).inv("seed"), "db.E305", EXIT_USAGE)

    assert str(tmp_path / "missing") in f"{error.fact} {error.details}"


# ---- another project

SEED = """\
from collections.abc import Iterator
import sqlalchemy as sa

{more}
metadata = sa.MetaData()
country = sa.Table("country", metadata, sa.Column("id", sa.Integer))

def fill(session, studies):
    session.execute(sa.insert(country), [dict(id=number) for number in range(studies)])
    yield "country", studies
"""


def workshop(tmp_path: Path, url: URL, named: str, more: str = "") -> Workshop:
    """Another project, whose `alembic.ini` names its own function."""
    shop = Workshop.create(tmp_path, "merge", url)
    shop.workflow.upgrade()
    (shop.folder / "water.py").write_text(SEED.format(more=more))
    ini = shop.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("[antarest]", f"[antarest]\nmetadata = water:metadata\n{named}"))
    return shop


def test_any_project_can_name_its_own(tmp_path: Path, empty_database: URL) -> None:
    shop = workshop(tmp_path, empty_database, "seed = water:fill")

    done = shop.run(f"python -m antarest.migration seed --studies=3 {HERE}", PYTHONPATH=f"{ROOT}:{shop.folder}")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert_shows(done.out, "country", "3 rows", "seeded: 3 rows in 1 table")


@pytest.mark.parametrize(
    ("named", "more", "code", "fact"),
    [
        ("", "", "db.E210", "alembic.ini cannot be used: [antarest] seed is not named"),
        ("seed = water:drain", "", "db.E210", "alembic.ini cannot be used: [antarest] seed = water:drain: "),
        ("seed = nowhere:fill", "", "db.E210", "alembic.ini cannot be used: [antarest] seed = nowhere:fill: "),
        ("seed = water:fill", "import fakery.names", "db.E722", "the package fakery is not installed, and is needed"),
    ],
)
def test_a_project_that_cannot_be_seeded_says_why(
    named: str, more: str, code: str, fact: str, tmp_path: Path, sqlite_database: URL
) -> None:
    """The project names no function, or a wrong one, or one that needs a package that is not installed."""
    shop = workshop(tmp_path, sqlite_database, named, more)

    done = shop.run(f"python -m antarest.migration seed {HERE}", PYTHONPATH=f"{ROOT}:{shop.folder}")

    assert done.code == EXIT_USAGE
    error = parse(done.err)
    assert (error.code, error.fact[: len(fact)]) == (code, fact)
