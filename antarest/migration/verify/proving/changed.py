"""Finds the edited revision that makes a new database differ from a database that has run the unedited revision."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from ..findings.finding import Finding
from ..target import Target

_DIRECTIONS = ("upgrade", "downgrade")


class Changed:
    """The revision files that were changed after another database had run them.

    Args:
        since: the project with the revision files that the other database has run.
        now: the project as it is now.
    """

    def __init__(self, since: Target, now: Target) -> None:
        self._since = since
        self._now = now

    def finding(self, engine: str, found: str, *, item: str = "", table: str = "") -> Finding:
        """Return a finding about a difference. The finding names the changed revision that is the most likely cause.

        Args:
            engine: the engine.
            found: the description of the difference.
            item: the object that differs; empty if there are several objects.
            table: the table to which this object belongs.
        """
        id_ = next((each for each in self._directions if self._names(each, item)), next(iter(self._directions), ""))
        what = self._directions.get(id_, "")
        return Finding.of("V901", f"{what}{found}", id_, engine, item=item, table=table)

    @cached_property
    def _directions(self) -> dict[str, str]:
        """A mapping from the id of each changed revision to a text about the change.

        Revisions of which only the downgrade has changed come last, because a new database does not run downgrades.
        """
        found: dict[str, str] = {}
        for id_ in self._since.history.order:
            old, new = self._since.history[id_], self._now.history[id_]
            parts = _changed_functions(old.path, new.path)
            if old.down != new.down:
                found[id_] = f"it followed {_listed(old.down)}, and follows {_listed(new.down)} now: "
            elif parts:
                found[id_] = f"its {' and its '.join(parts)} {'were' if len(parts) > 1 else 'was'} changed: "
        return dict(sorted(found.items(), key=lambda each: each[1].startswith("its downgrade")))

    def _names(self, id_: str, item: str) -> bool:
        """Return whether the name of an object appears in the earlier or the present file of a revision."""
        texts = (each.history[id_].path.read_text(encoding="utf-8") for each in (self._since, self._now))
        words = {word for text in texts for word in re.findall(r"\w+", text)}
        return bool(item) and {*re.findall(r"\w+", item)} <= words


def _listed(down: Collection[str]) -> str:
    return ", ".join(down) or "base"


def _changed_functions(old: Path, new: Path) -> list[str]:
    """Return which of `upgrade` and `downgrade` have changed. If other code of the file has changed, return both."""
    before, after = _code(old), _code(new)
    parts = [each for each in _DIRECTIONS if before.get(each) != after.get(each)]
    return [*_DIRECTIONS] if before.get("") != after.get("") else parts


def _code(path: Path) -> dict[str, str]:
    """Return the code of `upgrade`, of `downgrade`, and, under the key "", of the rest of the file.

    Comments and positions are left out.
    """
    found: dict[str, str] = {}
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # the docstring
        name = node.name if isinstance(node, ast.FunctionDef) and node.name in _DIRECTIONS else ""
        found[name] = found.get(name, "") + ast.dump(node)
    return found
