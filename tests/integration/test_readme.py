"""The table of the error codes is the docstrings of the errors."""

from __future__ import annotations

import importlib

from antarest.core.errors import AntarestError
from tests.support import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_error_code_is_in_the_readme() -> None:
    """The table of error codes is the docstrings of the errors."""
    begin, end = "<!-- error codes: begin -->\n", "<!-- error codes: end -->"

    assert README.partition(begin)[2].partition(end)[0] == error_table()


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
