"""A revision, as its file declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Direction = Literal["upgrade", "downgrade"]
BASE = "base"
HEAD = "head"

STRUCTURE = frozenset({"trigger", "index", "view", "check", "autoincrement", "collation", "generated", "options"})
"""What `lossy` names as "trigger:name": not data, and yet lost when a table is rebuilt without it."""


@dataclass(frozen=True)
class Revision:
    """One revision script, as its file declares it.

    Attributes:
        id: its identifier.
        down: the revisions that it follows; none for a base, several for a merge.
        depends_on: further revisions that must be applied before it.
        message: the first line of its docstring.
        path: its file.
        lossy: what it loses, by direction: "table" or "table.column", or "trigger:name" and the like, to the reason.
        moves: where values go in an upgrade, from "table.column" to "table.column"; a downgrade reads it backwards.
        irreversible: why it cannot be undone; empty where it can.
        transaction: "own" to be committed before and after it, "none" to leave its transaction where the engine needs
            it (`CREATE INDEX CONCURRENTLY`), "" to be committed with those beside it.
        uses_autocommit: whether its file names `autocommit_block`.
        branch_labels: the names of the branch that begins with it.
    """

    id: str
    down: tuple[str, ...]
    message: str
    path: Path
    depends_on: tuple[str, ...] = ()
    lossy: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
    irreversible: str = ""
    transaction: Literal["", "own", "none"] = ""
    uses_autocommit: bool = False
    branch_labels: tuple[str, ...] = ()

    @property
    def predecessors(self) -> tuple[str, ...]:
        """What must be applied before it."""
        return self.down + self.depends_on

    def losses(self, direction: Direction) -> Mapping[str, str]:
        """The data that it declares to lose in that direction."""
        return {item: why for item, why in self.lossy.get(direction, {}).items() if not _is_structure(item)}

    def structure_losses(self, direction: Direction) -> Mapping[str, str]:
        """What else it declares to lose there, where SQLite rebuilds a table: "trigger:name" and the like."""
        return {item: why for item, why in self.lossy.get(direction, {}).items() if _is_structure(item)}

    def destinations(self, direction: Direction) -> dict[str, list[str]]:
        """Where the values of each source go in that direction."""
        result: dict[str, list[str]] = {}
        for source, destination in self.moves.items():
            first, second = (source, destination) if direction == "upgrade" else (destination, source)
            result.setdefault(first, []).append(second)
        return result


def _is_structure(item: str) -> bool:
    return item.partition(":")[0] in STRUCTURE and ":" in item
