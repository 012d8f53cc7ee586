"""A revision, as the revision file declares it, and the names of the tables that record revisions in a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Direction = Literal["upgrade", "downgrade"]
BASE = "base"
HEAD = "head"
HEADS = "heads"

STRUCTURE = frozenset({"trigger", "index", "view", "check", "autoincrement", "collation", "generated", "options"})
"""The kinds of objects that hold no rows, but that a rebuild of a table can lose.

`lossy` names them as "trigger:name".
"""


@dataclass(frozen=True)
class Revision:
    """One revision, as the revision file declares it.

    Attributes:
        id: the id of the revision.
        down: the ids of the revisions that this revision follows: none for a base, several for a merge.
        depends_on: further revisions that must be applied before this revision.
        message: the first line of the docstring of the file.
        path: the path of the file.
        lossy: the losses that the revision declares. For each direction, a mapping from "table", "table.column" or
            "trigger:name" to the reason for the loss.
        moves: the columns whose values the upgrade moves to another column: a mapping from "table.column" to
            "table.column". The downgrade moves the values back.
        irreversible: the reason why the revision cannot be undone; empty if it can be undone.
        transaction: "own" for a commit before and after the revision; "none" if its statements cannot run in a
            transaction (`CREATE INDEX CONCURRENTLY`); "" if the revision can share a transaction with other revisions.
        row_security: the reason why the revision writes to tables in which row security hides rows; empty if the file
            does not declare this.
        uses_autocommit: whether the file contains the name `autocommit_block`.
        branch_labels: the labels of the branch that begins with this revision.
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
    row_security: str = ""
    uses_autocommit: bool = False
    branch_labels: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text of the file. Bytes that are not UTF-8 are replaced."""
        return self.path.read_text(encoding="utf-8", errors="replace")

    @property
    def predecessors(self) -> tuple[str, ...]:
        """The revisions that must be applied before this revision."""
        return self.down + self.depends_on

    def losses(self, direction: Direction) -> Mapping[str, str]:
        """Return, for each loss of data that the revision declares in this direction, the reason."""
        return {item: why for item, why in self.lossy.get(direction, {}).items() if not _is_structure(item)}

    def structure_losses(self, direction: Direction) -> Mapping[str, str]:
        """Return, for each declared loss of a trigger or similar object in this direction, the reason."""
        return {item: why for item, why in self.lossy.get(direction, {}).items() if _is_structure(item)}

    def destinations(self, direction: Direction) -> dict[str, list[str]]:
        """Return, for each column whose values the revision moves in this direction, the destinations."""
        result: dict[str, list[str]] = {}
        for source, destination in self.moves.items():
            first, second = (source, destination) if direction == "upgrade" else (destination, source)
            result.setdefault(first, []).append(second)
        return result


def _is_structure(item: str) -> bool:
    return item.partition(":")[0] in STRUCTURE and ":" in item


@dataclass(frozen=True)
class VersionTable:
    """The table in which Alembic records the current revisions of a database.

    Attributes:
        name: the name of the table.
        schema: the schema of the table (PostgreSQL); empty for the schema in which the connection creates tables.
    """

    name: str = "alembic_version"
    schema: str = ""

    @property
    def history(self) -> str:
        """The name of the history table in the same schema: `alembic_history` for `alembic_version`."""
        return "alembic_history" if self.name == "alembic_version" else f"{self.name}_history"

    @property
    def both(self) -> tuple[str, ...]:
        """The names of the version table and of the history table, as the catalog of the database has them."""
        names = self.name, self.history
        return (*names, *(f"{self.schema}.{name}" for name in names)) if self.schema else names

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name
