"""`rollback.sh`: its target, whether it is in sync, and that it is written completely or not at all."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from antarest.migration.errors.facts.project import MultipleHeads
from antarest.migration.errors.facts.refusal import RollbackScriptStale
from antarest.migration.errors.revision import BASE, Revision
from antarest.migration.project import rollback_script
from antarest.migration.project.history import History
from antarest.migration.project.project import Project
from tests.support.projects.checkouts import ROOT

LINE: dict[str, Any] = {"a1": None, "b1": "a1", "c1": "b1"}


def project(folder: Path, *, script: str = "scripts/rollback.sh", **down: Any) -> Project:
    """Return a project with these revisions, each with its predecessor."""
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    for id_, predecessor in down.items():
        (versions / f"{id_}.py").write_text(f"revision = {id_!r}\ndown_revision = {predecessor!r}\n")
    own = f"[antarest]\nrollback_script = {script}\n" if script else ""
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = alembic\n{own}")
    return Project.load(folder / "alembic.ini")


def history(**down: tuple[str, ...]) -> History:
    return History(Revision(id_, each, "", Path(f"{id_}.py")) for id_, each in down.items())


# ---- where it goes


@pytest.mark.parametrize(
    ("graph", "target"),
    [
        ({}, (BASE, BASE)),
        ({"a1": ()}, (BASE, "a1")),
        ({"a1": (), "b1": ("a1",)}, ("a1", "b1")),
        # The target below a merge is the common ancestor of its branches.
        ({"a1": (), "b1": ("a1",), "b2": ("a1",), "c1": ("b1", "b2")}, ("a1", "c1")),
    ],
)
def test_it_goes_to_the_state_below_head(graph: dict[str, tuple[str, ...]], target: tuple[str, str]) -> None:
    assert rollback_script.target(history(**graph)) == target


def test_with_two_heads_it_goes_nowhere(tmp_path: Path) -> None:
    forked = project(tmp_path, a1=None, b1="a1", b2="a1")

    with pytest.raises(MultipleHeads):
        rollback_script.render(forked)
    with pytest.raises(MultipleHeads):
        rollback_script.write(forked)
    assert not (tmp_path / "scripts").exists()


# ---- what it says


def test_it_names_its_target_and_its_head_on_two_lines(tmp_path: Path) -> None:
    """Therefore git reports a conflict between two branches that each add a revision."""
    assert "\nREVISION=b1\nHEAD=c1\n" in rollback_script.render(project(tmp_path, **LINE))


def test_it_is_bash_and_says_how_to_use_it(tmp_path: Path) -> None:
    path = rollback_script.write(project(tmp_path, **LINE))

    subprocess.run(["bash", "-n", path], check=True)
    assert path.read_text().startswith("#!/usr/bin/env bash\n#")
    for flag in ("--dry-run", "--yes", "--allow-data-loss", "--config"):
        assert re.search(rf"^#   {flag}\b", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("script", ["scripts/rollback.sh", "rollback.sh", "deep/er/rollback.sh"])
def test_it_calls_the_workflow_on_its_own_project_from_any_folder(tmp_path: Path, script: str) -> None:
    root = tmp_path / "a folder"
    path = rollback_script.write(project(root, script=script, **LINE))
    python = root / ".venv" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$PYTHONPATH" "$@"\n')  # prints its arguments
    python.chmod(0o755)

    called = subprocess.run([path, "--dry-run", "--config=a b"], cwd="/", capture_output=True, text=True, check=True)

    search, safe, _, _, _, call, *arguments = called.stdout.splitlines()
    assert (search, safe) == (str(root), "-P")
    assert call.startswith('runpy.run_module("antarest.migration"')
    assert arguments == [
        *("rollback", "--dry-run", "--config=a b"),
        *(f"--project={root}/alembic.ini", "--to=b1", "--head=c1"),
    ]


@pytest.mark.parametrize("library", ["lib/python3.13/site-packages", "lib64/python3.11/dist-packages"])
def test_installed_it_calls_the_python_of_its_environment(tmp_path: Path, library: str) -> None:
    packages = tmp_path / "an environment" / library
    path = rollback_script.write(project(packages / "antarest" / "_alembic", **LINE))
    python = tmp_path / "an environment" / "bin" / "python3"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$PYTHONPATH" "$@"\n')
    python.chmod(0o755)

    called = subprocess.run([path], cwd="/", capture_output=True, text=True, check=True)

    search, *arguments = called.stdout.splitlines()
    assert search.split(":")[0] == str(packages)
    assert f"--project={packages}/antarest/_alembic/alembic.ini" in arguments


def test_a_script_is_parsed_back(tmp_path: Path) -> None:
    path = rollback_script.write(project(tmp_path, **LINE))

    assert rollback_script.parse(path) == ("b1", "c1")
    path.write_text("echo REVISION=b1\n")
    assert rollback_script.parse(path) == ("", "")
    path.write_bytes(b"\xff\xfe")
    assert rollback_script.parse(path) == ("", "")
    path.unlink()
    assert rollback_script.parse(path) == ("", "")


# ---- in sync


def test_it_is_in_sync_when_it_is_what_would_be_written(tmp_path: Path) -> None:
    line = project(tmp_path, **LINE)
    assert not rollback_script.is_in_sync(line), "there is none yet"

    path = rollback_script.write(line)
    assert rollback_script.is_in_sync(line)
    assert path.stat().st_mode & 0o777 == 0o755

    path.chmod(0o644)
    assert not rollback_script.is_in_sync(line), "it cannot be executed"
    path.chmod(0o755)
    path.write_text(path.read_text() + "# by hand\n")
    assert not rollback_script.is_in_sync(line), "it was edited"


def test_a_new_revision_overtakes_it(tmp_path: Path) -> None:
    rollback_script.write(project(tmp_path, **LINE))
    longer = project(tmp_path, d1="c1")

    assert not rollback_script.is_in_sync(longer)
    with pytest.raises(RollbackScriptStale) as caught:
        rollback_script.require_head(longer, "c1")
    assert (caught.value.written_for, caught.value.head) == ("c1", "d1")

    assert rollback_script.sync(longer), "it is written again"
    assert not rollback_script.sync(longer), "once"
    rollback_script.require_head(longer, "d1")
    assert rollback_script.parse(tmp_path / "scripts" / "rollback.sh") == ("c1", "d1")


def test_with_two_heads_the_old_script_stays(tmp_path: Path) -> None:
    path = rollback_script.write(project(tmp_path, **LINE))
    before = path.read_text()
    forked = project(tmp_path, c2="b1")

    assert not rollback_script.is_in_sync(forked)
    assert not rollback_script.sync(forked)
    assert path.read_text() == before
    with pytest.raises(MultipleHeads):
        rollback_script.require_head(forked, "c1")


def test_a_project_without_a_script_has_nothing_to_keep_in_sync(tmp_path: Path) -> None:
    line = project(tmp_path, script="", **LINE)

    assert rollback_script.is_in_sync(line)
    assert not rollback_script.sync(line)
    assert rollback_script.write(line) == tmp_path / "scripts" / "rollback.sh", "but one can be asked for"


def test_it_is_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The file of a running script is replaced and not overwritten, because bash reads it while it runs."""
    line = project(tmp_path, **LINE)
    path = rollback_script.write(line)
    inode = path.stat().st_ino

    rollback_script.write(line)

    assert path.stat().st_ino != inode
    assert [each.name for each in path.parent.iterdir()] == ["rollback.sh"]


def test_the_script_of_this_checkout_is_in_sync() -> None:
    assert rollback_script.is_in_sync(Project.load(ROOT / "alembic.ini"))
