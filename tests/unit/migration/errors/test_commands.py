"""How our commands are spelled in each place from which they are called."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from antarest.migration.errors.base import AntarestError, Hint
from antarest.migration.errors.settings import commands

STATUS = "inv db.status --config=PATH"


@pytest.fixture(autouse=True)
def _called_by_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example, a launcher calls them, which has no verbs itself."""
    monkeypatch.setattr(sys, "argv", ["antarest/main.py"])


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs of an environment with our program, in a folder without tasks.py; they are not on the PATH."""
    programs = tmp_path / "an environment" / "bin"
    programs.mkdir(parents=True)
    for name in (commands.PROGRAM, commands.PROVER):
        (programs / name).write_text("#!/bin/true\nfrom antarest.migration.__main__ import main\n")
        (programs / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return programs


def test_in_a_checkout_they_are_tasks_of_invoke() -> None:
    assert commands.spell(STATUS) == STATUS


def test_where_invoke_is_missing_they_are_not(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (environment.parents[1] / "tasks.py").touch()
    assert commands.spell(STATUS) == STATUS

    monkeypatch.setattr(commands, "find_spec", lambda _: None)

    assert commands.spell(STATUS) == f"'{environment}/antarest-db' status --config=PATH"


def test_installed_they_are_our_program(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{environment}:/bin")

    assert commands.spell(STATUS) == "antarest-db status --config=PATH"


@pytest.mark.parametrize(
    ("program", "text", "shown"),
    [
        ("/venv/bin/inv", "inv db.status", "inv db.status --project=a.ini"),
        ("/venv/bin/antarest-db", "inv db.status", "antarest-db status --project=a.ini"),
        ("/venv/bin/antarest-db", "inv db.verify", "antarest-db verify --engine=sqlite --project=a.ini"),
        ("/venv/bin/antarest-verify", "inv db.verify", "antarest-verify --engine=sqlite --project=a.ini"),
        ("/venv/bin/antarest-verify", "inv db.status", "antarest-db status --project=a.ini"),
        ("/venv/bin/antarest-verify", "inv db.history", "antarest-verify --engine=sqlite --project=a.ini"),
        ("/venv/bin/inv", "inv db.status --project=PATH", "inv db.status --project=PATH"),
        (
            "/venv/bin/inv",
            "old: inv db.diagram, then look",
            "old: inv db.diagram --project=a.ini, then look",
        ),
    ],
)
def test_the_program_and_the_flags_are_those_that_were_called(
    program: str, text: str, shown: str, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{environment}:/bin")
    monkeypatch.setattr(sys, "argv", [program])

    with commands.repeating("verify", engine="sqlite"), commands.repeating(project="a.ini", config=None):
        assert commands.spell(text) == shown
    assert "--project=a.ini" not in commands.spell(text)


def test_another_program_of_that_name_is_not_ours(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy("/bin/false", tmp_path / commands.PROGRAM)
    monkeypatch.setenv("PATH", f"{tmp_path}:{environment}")

    assert commands.spell("inv db.status") == f"'{environment}/antarest-db' status"


def test_without_our_program_it_is_the_module(environment: Path) -> None:
    (environment / commands.PROGRAM).unlink()

    assert commands.spell("inv db.rollback-script") == f"'{sys.executable}' -m antarest.migration rollback-script"


@pytest.mark.parametrize("text", ["", "git log --all", "alembic upgrade head", "inv db.", "my-inv db", "db.url: x"])
@pytest.mark.usefixtures("environment")
def test_what_is_not_ours_stays(text: str) -> None:
    assert commands.spell(text) == text


def test_an_error_names_commands_that_can_be_typed(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(environment))

    error = AntarestError("no", Hint("Look again", "inv db.status"), Hint("Or think"))

    assert error.hints == (Hint("Look again", "antarest-db status"), Hint("Or think"))
