"""`env.py` recognises each command of Alembic by the arguments that the command gives to its context."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from alembic import command
from alembic.config import main as alembic

ENV = """
from pathlib import Path
from alembic import context
from antarest.migration.environment import purpose_of

with (Path(__file__).parent / "purposes").open("a") as file:
    print(purpose_of(context._proxy.context_opts), file=file)
"""
INI = "[alembic]\nscript_location = %(here)s\npath_separator = os\nrevision_environment = true\n"
TEMPLATE = "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n"
REVISION = "revision = {0!r}\ndown_revision = {1!r}\n\n\ndef upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"


def purposes(folder: Path, line: str) -> list[str]:
    """Return the purposes for which `alembic` called `env.py`, in a project with two heads."""
    (folder / "alembic.ini").write_text(INI)
    (folder / "env.py").write_text(ENV)
    (folder / "script.py.mako").write_text(TEMPLATE)
    (folder / "versions").mkdir()
    for name, before in (("a1", None), ("b1", "a1"), ("b2", "a1")):
        (folder / "versions" / f"{name}.py").write_text(REVISION.format(name, before))

    alembic(["-c", str(folder / "alembic.ini"), *line.split()])

    noted = folder / "purposes"
    return noted.read_text().split() if noted.exists() else []


@pytest.mark.parametrize(
    ("line", "purpose"),
    [
        ("upgrade heads", "run"),
        ("upgrade heads --sql", "run"),
        ("downgrade base", "run"),
        ("downgrade b1:base --sql", "run"),
        ("stamp b1", "stamp"),
        ("stamp b1 --purge", "stamp"),
        ("stamp b1 --sql", "stamp"),
        ("ensure_version", "stamp"),
        ("ensure_version --sql", "stamp"),
        ("current", "read"),
        ("current --verbose", "read"),
        ("history", "read"),
        ("history --indicate-current", "read"),
        ("history -r current:", "read"),
        ("show current", "read"),
        ("edit current", "read"),
        ("revision -m more --head=b1", "compare"),
        ("revision -m more --head=b1 --autogenerate", "compare"),
        ("check", "compare"),
        ("merge heads", "merge"),
    ],
)
def test_a_command_that_calls_env_is_known(tmp_path: Path, line: str, purpose: str) -> None:
    assert purposes(tmp_path, line) == [purpose]


@pytest.mark.parametrize("line", ["heads", "branches", "show b1"])
def test_the_other_commands_do_not_call_env(tmp_path: Path, line: str) -> None:
    assert purposes(tmp_path, line) == []


def test_every_command_is_known() -> None:
    """A new version of Alembic may have one more."""
    known = (
        "branches check current downgrade edit ensure_version heads history init list_templates merge revision show "
        "stamp upgrade"
    )
    names = {
        name
        for name, each in vars(command).items()
        if inspect.isfunction(each) and each.__module__ == command.__name__ and not name.startswith("_")
    }

    assert names == {*known.split()}
