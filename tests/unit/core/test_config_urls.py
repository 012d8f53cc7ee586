from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from antarest.core.config import load_config
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.errors.settings.urls import is_memory, normalise_url
from tests.support.projects.config import Write, load


def test_a_value_that_is_one_variable_is_taken_as_it_is(write: Write) -> None:
    file = write("environment: ${ENV}\ndb:\n  url: ${DB_URL}\n  pool_size: ${SIZE}\n  pool_pre_ping: ${PING}\n")

    config = load(file, ENV="staging", DB_URL=" postgresql://u:100%25@h/d?sslmode=require\n", SIZE=" 9\n", PING="False")

    assert config.environment == "staging"
    assert config.db == DbConfig(
        normalise_url("postgresql://u:100%25@h/d?sslmode=require"), pool_size=9, pool_pre_ping=False
    )
    assert config.db.url.password == "100%"


@pytest.mark.parametrize(
    "secret", ["p@ss", "a:b", "a/b", "a?b", "a#b", "100%", "%41", "a&b=c", "a+b c", "[x]", "ü", "${X}"]
)
@pytest.mark.parametrize("place", ["postgresql://u:${S}@h/d", "postgresql://h/d?user=u&password=${S}"])
def test_a_password_from_a_variable_may_hold_any_character(write: Write, secret: str, place: str) -> None:
    url = load(write(f"db:\n  url: {place}\n"), S=secret).db.url

    assert url == URL.create("postgresql+psycopg2", "u", secret, "h", None, "d")


def test_every_part_of_a_url_can_be_a_variable(write: Write) -> None:
    file = write("db:\n  url: ${KIND}://${USER}:${PASSWORD}@${SERVER}/${NAME}?application_name=${APP}\n")

    url = load(
        file, KIND="postgres", USER="a@corp", PASSWORD="p", SERVER="db1:5433", NAME="my db/1", APP="a&b=c"
    ).db.url

    assert url == URL.create(
        "postgresql+psycopg2", "a@corp", "p", "db1", 5433, "my db/1", query={"application_name": "a&b=c"}
    )


def test_a_path_from_a_variable_may_hold_any_character(write: Write) -> None:
    url = load(write("db:\n  url: sqlite:///${FOLDER}/a.db\n"), FOLDER="/srv/100%25 @ho?me#").db.url

    assert url.database == "/srv/100%25 @ho?me#/a.db"


def test_a_percent_sign_in_a_password_needs_no_variable(write: Write) -> None:
    assert load(write("db:\n  url: postgresql://u:100%@h/d\n")).db.url.password == "100%"
    assert load(write("db:\n  url: postgresql://u:50%25@h/d\n")).db.url.password == "50%"


def test_two_dollars_are_the_text_itself(write: Write) -> None:
    db = load(write("db:\n  url: postgresql://u:$${A}$B$$@h/d\n  application_role: $${A}-${A}\n"), A="a").db

    assert db.url.password == "${A}$B$$"
    assert db.application_role == "${A}-a"


# ---- SQLite


def test_a_relative_sqlite_path_is_relative_to_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("db:\n  url: sqlite:///../data/a.db\n")
    monkeypatch.chdir("/")

    assert load(file).db.url.database == str(tmp_path / "data" / "a.db")
    assert load_config("conf/application.yaml", environ={}, cwd=tmp_path).db.url.database == str(tmp_path / "data/a.db")


def test_a_linked_configuration_is_relative_to_the_folder_that_was_named(write: Write, tmp_path: Path) -> None:
    file = write("db:\n  url: sqlite:///a.db\n")
    (tmp_path / "named.yaml").symlink_to(file)

    config = load(tmp_path / "named.yaml")

    assert config.source == tmp_path / "named.yaml"
    assert config.db.url.database == str(tmp_path / "a.db")


def test_a_database_in_memory_can_be_configured(write: Write) -> None:
    assert is_memory(load(write("db:\n  url: 'sqlite://'\n")).db.url)
