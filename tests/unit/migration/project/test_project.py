"""Which Alembic project is used, and what its `alembic.ini` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from antarest.core.persistence import Base
from antarest.migration.errors.facts.project import InvalidProject, InvalidRevisionFile, ProjectNotFound
from antarest.migration.errors.revision import VersionTable
from antarest.migration.project.project import Project
from antarest.migration.project.settings import find
from tests.support.projects.checkouts import ROOT

MINIMAL = "[alembic]\nscript_location = scripts\n"


def project(folder: Path, text: str = MINIMAL) -> Project:
    """Return the project of an `alembic.ini` with this text."""
    (folder / "alembic.ini").write_text(text, encoding="utf-8")
    return Project.load(folder / "alembic.ini")


# ---- which one


def test_a_named_file_beats_the_one_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = project(tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    project(here)
    monkeypatch.chdir(here)

    assert Project.load("../alembic.ini").ini.resolve() == named.ini
    assert Project.load().ini == here / "alembic.ini"


def test_outside_of_a_project_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ProjectNotFound):
        Project.load()
    assert Project.own().ini == ROOT / "alembic.ini"


def test_a_named_file_that_is_missing_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ProjectNotFound) as caught:
        Project.load("nowhere.ini")

    assert caught.value.message == f"there is no Alembic project at {tmp_path / 'nowhere.ini'}"


PLACES = {
    "here": ("alembic.ini", "."),
    "above": ("alembic.ini", "src/shop"),
    "in pyproject.toml": ("pyproject.toml", "."),
    "in pyproject.toml above": ("pyproject.toml", "src/shop"),
    "below, as Flask-Migrate has it": ("migrations/alembic.ini", "."),
    "below a folder above": ("migrations/alembic.ini", "src/shop"),
    "in its own folder": ("migrations/alembic.ini", "migrations/versions"),
}


@pytest.mark.parametrize(("file", "start"), PLACES.values(), ids=PLACES)
def test_a_project_is_found_as_git_finds_a_repository(tmp_path: Path, file: str, start: str) -> None:
    (tmp_path / start).mkdir(parents=True, exist_ok=True)
    (tmp_path / "src").mkdir(exist_ok=True)
    (tmp_path / "src" / "pyproject.toml").write_text("[project]\nname = 'shop'\n")  # no settings of Alembic
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("[tool.alembic]\nscript_location = 'x'\n" if path.suffix == ".toml" else MINIMAL)

    assert find(None, tmp_path / start, {}) == path
    assert find(path.parent, tmp_path / "src", {}) == path  # a folder may be named
    assert find(None, Path("/"), {"ALEMBIC_CONFIG": str(path)}) == path


def test_what_is_named_beats_what_is_found(tmp_path: Path) -> None:
    project(tmp_path)

    assert find("other.ini", tmp_path, {"ALEMBIC_CONFIG": "third.ini"}) == tmp_path / "other.ini"
    assert find(None, tmp_path, {"ALEMBIC_CONFIG": "third.ini"}) == tmp_path / "third.ini"


def test_the_ini_of_flask_migrate_names_no_folder_and_lies_in_it(tmp_path: Path) -> None:
    (tmp_path / "env.py").write_text("")

    assert project(tmp_path, "[alembic]\n").versions == (tmp_path / "versions",)


# ---- what it says


def test_what_nobody_says_has_a_default(tmp_path: Path) -> None:
    found = project(tmp_path)

    assert found == Project(
        tmp_path / "alembic.ini", (tmp_path / "scripts" / "versions",), scripts=tmp_path / "scripts"
    )
    assert (found.version_table, found.alembic_options()["version_table"]) == (VersionTable(), "alembic_version")


def test_everything_can_be_said(tmp_path: Path) -> None:
    text = (
        "[alembic]\nscript_location = %(here)s/db\nversion_locations = %(here)s/one:two\npath_separator = :\n"
        "file_template = %%(rev)s_%%(slug)s\n"
        "[antarest]\nmetadata = shop.models:metadata\nrollback_script = bin/back.sh\nversion_table = shop_version\n"
        "version_table_schema = shop\n"
    )

    found = project(tmp_path, text)

    assert found.versions == (tmp_path / "one", tmp_path / "two")
    assert found.folder == "one, two"
    assert found.metadata_name == "shop.models:metadata"
    assert found.rollback_script == tmp_path / "bin" / "back.sh"
    assert found.version_table == VersionTable("shop_version", "shop")


def test_our_own_project_is_complete() -> None:
    ours = Project.load(ROOT / "alembic.ini")

    assert ours.versions == (ROOT / "alembic" / "versions",)
    assert ours.folder == "alembic/versions"
    assert ours.rollback_script == ROOT / "scripts" / "rollback.sh"
    assert ours.metadata() is Base.metadata
    assert len(ours.history) >= 15


def test_only_what_is_under_version_control_is_a_checkout(tmp_path: Path) -> None:
    found = project(tmp_path)
    assert not found.is_checkout

    (tmp_path / ".git").write_text("gitdir: elsewhere")  # as in a worktree

    assert found.is_checkout


# ---- what is wrong with it


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it has no section [alembic]"),
        ("[antarest]\nmetadata = a:b\n", "it has no section [alembic]"),
        ("[alembic]\nprepend_sys_path = .\n", "it has no script_location in the section [alembic]"),
        (f"{MINIMAL}databases = a, b\n", "a history of several databases is not supported"),
        (f"{MINIMAL}[antarest]\nversion_tabel = x\n", "did you mean version_table?"),
        (f"{MINIMAL}[antarest]\nversion_table = foo.alembic_version\n", "version_table is a name without its schema"),
        (f"{MINIMAL}[antarest]\nnothing = x\n", "nothing is a key that nothing reads: the keys are metadata,"),
        ("script_location = scripts\n", "File contains no section headers."),
        ("[alembic]\nscript_location = %(nowhere)s/scripts\n", "Bad value substitution"),
        (MINIMAL + MINIMAL, "section 'alembic' already exists"),
    ],
)
def test_a_file_that_is_no_project(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidProject) as caught:
        project(tmp_path, text)

    assert caught.value.message.startswith("alembic.ini cannot be used: ")
    assert reason in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.details == {"file": str(tmp_path / "alembic.ini")}


def test_a_line_break_in_the_name_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Alembic would look for the revisions in a folder with another name."""
    folder = tmp_path / "two\nlines"
    folder.mkdir()

    with pytest.raises(InvalidProject, match="cannot be used: the name of its folder has a line break"):
        project(folder)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_bytes(b"[alembic]\nscript_location = \xff\n")

    with pytest.raises(InvalidProject, match="can't decode byte 0xff"):
        Project.load(tmp_path / "alembic.ini")


def test_a_folder_of_revisions_that_does_not_exist_is_no_empty_history(tmp_path: Path) -> None:
    """Otherwise an upgrade would have nothing to do, and report success."""
    found = project(tmp_path)

    with pytest.raises(InvalidProject) as caught:
        _ = found.history

    assert f"there is no folder {tmp_path / 'scripts' / 'versions'}" in caught.value.message


def test_the_history_is_read_once(tmp_path: Path) -> None:
    found = project(tmp_path)
    versions = tmp_path / "scripts" / "versions"
    versions.mkdir(parents=True)
    (versions / "a1.py").write_text('revision = "a1"\ndown_revision = None')
    assert found.history.head == "a1"

    (versions / "b1.py").write_text("no python")

    assert found.history.head == "a1"
    with pytest.raises(InvalidRevisionFile):
        _ = project(tmp_path).history


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "neither env.py nor [antarest] names the metadata of the models, so the tables are not known"),
        ("antarest.dbmodel", "[antarest] metadata = antarest.dbmodel is not package.module:attribute"),
        (":metadata", "[antarest] metadata = :metadata is not package.module:attribute"),
        ("nowhere.models:metadata", "No module named 'nowhere'"),
        ("antarest.dbmodel:nothing", "has no attribute 'nothing'"),
    ],
)
def test_metadata_that_cannot_be_had(tmp_path: Path, name: str, reason: str) -> None:
    found = project(tmp_path, f"{MINIMAL}[antarest]\nmetadata = {name}\n")

    with pytest.raises(InvalidProject) as caught:
        found.metadata()

    assert reason in caught.value.message
    assert caught.value.hints
