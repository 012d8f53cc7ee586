"""Variables whose value is in a file, and the variable that the environment may lack."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from antarest.core.config import load_config
from antarest.migration.errors.facts.configuration import VariableUnset
from antarest.migration.errors.rendering import render_error
from tests.support.checks.refusals import parse
from tests.support.projects.config import Write, load

URL = "db:\n  url: postgresql://antarest:${PASSWORD}@db1/antarest\n"
IN_DATA = "db:\n  url: sqlite:///${ANTAREST_DATA}/a.db\n"


@pytest.mark.parametrize(
    ("content", "password"),
    [("geheim", "geheim"), ("geheim\n", "geheim"), ("two\n\n", "two\n"), (" a@b:/%\u00e9 ", " a@b:/%\u00e9 ")],
)
def test_a_secret_may_lie_in_a_file(write: Write, tmp_path: Path, content: str, password: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text(content, encoding="utf-8")

    assert load(write(URL), PASSWORD_FILE=str(secret)).db.url.password == password
    assert load(write(URL), PASSWORD_FILE=str(secret), PASSWORD="other").db.url.password == "other"


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no such file or directory"), (b"\xff", "it holds bytes that are not text")]
)
def test_a_secret_that_cannot_be_read_is_named_with_its_key(
    write: Write, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)

    with pytest.raises(VariableUnset) as caught:
        load(write(URL), PASSWORD_FILE=str(secret))

    assert caught.value.message == f"db.url: the file that PASSWORD_FILE names cannot be read ({reason}): {secret}"
    assert parse(render_error(caught.value)).commands == [f"ls -l {secret}"]


def test_the_data_of_a_user_have_a_folder(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    config = load(write(IN_DATA))

    folder = Path(str(config.db.url.database)).parent
    assert folder.is_relative_to(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_folder_is_made_for_those_who_use_it(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    load(write(IN_DATA.replace("${", "$${")))
    load(write(IN_DATA), ANTAREST_DATA="/data")

    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("value", "database"), [("/data", "/data/a.db"), ("data", "{cwd}/data/a.db"), ("", "{cwd}/a.db")]
)
def test_another_folder_is_relative_to_where_the_user_is(
    write: Write, tmp_path: Path, value: str, database: str
) -> None:
    """Other paths are relative to the file, but the file may be in site-packages."""
    cwd = tmp_path / "elsewhere"

    config = load_config(write(IN_DATA), environ={"ANTAREST_DATA": value}, cwd=cwd)

    assert config.db.url.database == database.format(cwd=cwd)
