"""Everything that contributors and machines should run exists: hooks, the CI workflow, tab completion, commands."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from antarest.migration.commands.table import VERBS
from tests.support.projects.checkouts import ROOT, Checkout, Run

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPLETION = 'eval "$(inv --print-completion-script bash)"'
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def hooks() -> list[dict[str, Any]]:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    return [hook for repo in config["repos"] if repo["repo"] == "local" for hook in repo["hooks"]]


def jobs() -> dict[str, Any]:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = workflow["jobs"]
    return found


def is_a_command(line: str) -> bool:
    """Return whether a line is a target of the Makefile, a program of the environment, or installs a package."""
    program, *arguments = shlex.split(line)
    if program == "sudo":
        return arguments[0] == "apt-get"
    if program == "make":
        return arguments[0] in TARGETS
    return program.startswith(".venv/bin/") and (Path(sys.prefix) / program.removeprefix(".venv/")).exists()


# ---- hooks


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_a_hook_runs_a_program_of_the_environment_on_files_that_there_are(hook: dict[str, Any], run: Run) -> None:
    tracked = run("git", "ls-files").out.splitlines()

    assert hook["language"] == "system"
    assert is_a_command(hook["entry"])
    assert any(re.search(hook.get("files", ""), name) for name in tracked)


@pytest.mark.parametrize(
    ("hook_id", "name", "old", "new"),
    [
        ("db-check", "scripts/rollback.sh", "HEAD=", "HEAD=x"),
        ("docs", "docs/errors.md", "### db.E201", "### db.E999"),
    ],
)
def test_a_hook_stops_what_must_not_be_committed(
    hook_id: str, name: str, old: str, new: str, checkout: Checkout
) -> None:
    hook = next(each for each in hooks() if each["id"] == hook_id)
    program, *arguments = shlex.split(hook["entry"])
    command = [str(Path(sys.prefix) / program.removeprefix(".venv/")), *arguments]
    before = checkout.run(*command).code
    file = checkout.path / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))

    assert re.search(hook["files"], name)
    assert (before, checkout.run(*command).code) == (0, 1)


# ---- CI


def test_ci_runs_what_a_developer_runs() -> None:
    steps = [step for job in jobs().values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]

    assert [command for command in commands if not is_a_command(command)] == []
    assert {"make lint", "make test"} <= set(commands)


def test_ci_uses_each_action_at_a_commit_and_names_its_version() -> None:
    """A tag can be moved to other code; a commit cannot."""
    used = re.findall(r"uses: (.+)", (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))

    assert used
    assert [each for each in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", each)] == []


def test_ci_tests_on_each_postgresql_and_on_the_oldest_python() -> None:
    matrix = jobs()["test"]["strategy"]["matrix"]["include"]
    oldest = re.search(r'requires-python = ">=(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert oldest
    assert {each["postgres"] for each in matrix} == {"testcontainers", "embedded"}
    assert oldest[1] in {each["python"] for each in matrix}


def test_the_oldest_that_are_tested_are_the_oldest_that_are_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (project["optional-dependencies"][each] for each in ("server", "desktop"))
    allowed = [each for each in chain(project["dependencies"], *extras) if not each.startswith("antarest")]
    lines = (ROOT / "requirements-oldest.txt").read_text(encoding="utf-8").splitlines()
    tested = [line.replace("==", ">=") for line in lines if not line.startswith("#")]

    assert sorted(each.partition(",")[0] for each in allowed) == sorted(tested)


# ---- what people type


def test_the_shell_completes_the_commands(run: Run) -> None:
    """The line of the README works in bash."""
    asks = "COMP_WORDS=(inv db.up); _complete_invoke inv db.up; echo ${COMPREPLY[*]}"

    done = run("bash", "-c", f"{COMPLETION}; {asks}")

    assert COMPLETION in README
    assert (done.code, done.out, done.err) == (0, "db.upgrade\n", "")


def test_the_readme_names_every_command() -> None:
    assert [verb for verb in VERBS if f"`inv db.{verb}" not in README] == []
