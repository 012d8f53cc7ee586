"""The README is executed: what it shows is what happens."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.core.errors import AntarestError
from antarest.core.persistence import redact_url
from tests.support import ROOT, Checkout, ConfigFile

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Not run here: `make test` is what runs this test, and activating an environment changes only a shell.
NOT_RUN = {"make test", "source .venv/bin/activate"}
OLD_REVISIONS = {path.name.partition("_")[0] for path in (ROOT / "alembic" / "versions").glob("*.py")}
NEW_COLUMN = "    horizon: Mapped[str | None] = mapped_column(String(40))\n"


def test_the_tour_of_the_readme(empty_database: URL, checkout: Checkout, config_file: ConfigFile) -> None:
    """Every command of the README, in its order, in a new checkout, prints what the README shows."""
    _install(checkout)
    source = config_file(empty_database)
    shown_as = {
        "/home/me/antarest/resources/application.yaml": str(source),
        "sqlite:////home/me/antarest/antarest.db": redact_url(empty_database),
    }
    model = checkout.path / "antarest/study/model.py"
    for command, expected in _console():
        if command in NOT_RUN:
            continue
        if command.startswith("inv db.revision") and NEW_COLUMN not in model.read_text(encoding="utf-8"):
            assert NEW_COLUMN in README
            text = model.read_text(encoding="utf-8")
            model.write_text(
                text.replace("    archived: Mapped", f"{NEW_COLUMN}    archived: Mapped", 1), encoding="utf-8"
            )
        result = checkout.run("bash", "-c", command, env={"ANTAREST_CONF": str(source)})

        assert (result.code, result.err) == (0, ""), command
        assert _is_as_shown(result.out, expected, shown_as), f"{command} printed\n{result.out}\nnot\n{expected}"


def test_every_error_code_is_in_the_readme() -> None:
    """The table of error codes is the docstrings of the errors."""
    begin, end = "<!-- error codes: begin -->\n", "<!-- error codes: end -->"

    assert README.partition(begin)[2].partition(end)[0] == error_table()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)]+)\)", README))))
def test_every_link_resolves(target: str) -> None:
    """A link into the repository leads to a file of it."""
    assert target.startswith("https://") or (ROOT / target).exists()


def error_table() -> str:
    """The table of error codes, as the README has it."""
    for module in ("errors", "scratch", "grants", "rows"):
        importlib.import_module(f"antarest.migration.{module}")
    rows = sorted((cls.code, cls.exit_code, (cls.__doc__ or "").partition("\n")[0]) for cls in _leaves(AntarestError))
    lines = [f"| `{code}` | {exit_code} | {meaning} |" for code, exit_code, meaning in rows]
    return "\n".join(["| code | exit | what happened |", "|---|---|---|", *lines]) + "\n"


def _leaves(cls: type[AntarestError]) -> set[type[AntarestError]]:
    """The errors that are raised: those whose code is their own, not a family's."""
    below = {leaf for sub in cls.__subclasses__() for leaf in _leaves(sub)}
    return below if cls.code.endswith("00") or cls.code == "E000" else below | {cls}


def _console() -> list[tuple[str, str]]:
    """The commands in the README, each with the output that is shown."""
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    parts = [part.partition("\n") for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    return [(command, output) for command, _, output in parts]


def _is_as_shown(printed: str, shown: str, shown_as: dict[str, str]) -> bool:
    """Whether a command printed what the README shows, where `...` stands for any lines."""
    for example, real in shown_as.items():
        shown = shown.replace(example, real)
    pattern = re.escape(_normalise(shown)).replace(re.escape("...\n"), "(?:.*\n)*")
    return re.fullmatch(pattern, _normalise(printed)) is not None


def _normalise(text: str) -> str:
    """Leave out what varies: times, ids of new revisions, the engine's version, and the installation."""
    text = re.sub(r"^(Installing|engine) .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r" +\d+\.\d\d s\b", " N s", text)
    return re.sub(r"[0-9a-f]{12}", lambda found: found[0] if found[0] in OLD_REVISIONS else "(new)", text)


def _install(checkout: Checkout) -> None:
    """Let `make` find an environment in the checkout: the one that runs the tests."""
    venv = checkout.path / ".venv"
    venv.mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name != ".installed":
            (venv / part.name).symlink_to(part)
    (venv / ".installed").touch()
