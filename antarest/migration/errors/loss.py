"""A loss of a run, and what somebody has agreed to lose. `antarest.migration.losses.guard` measures what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .revision import Direction
from .text import count


@dataclass(frozen=True)
class Loss:
    """Data that a revision loses.

    Attributes:
        revision: the revision that loses it.
        direction: in its upgrade or its downgrade.
        item: "table" or "table.column".
        count: how many rows (of a table) or values that are not NULL (of a column); None when nobody counted.
        reason: what the revision says of it; empty when it does not declare it.
        unit: what was counted, "row" of a table or "value" of a column.
    """

    revision: str
    direction: Direction
    item: str
    count: int | None
    reason: str = ""
    unit: str = "row"

    @property
    def declared(self) -> bool:
        """Whether the revision names it."""
        return bool(self.reason)

    @property
    def declaration(self) -> str:
        """The line that would declare it in the revision file."""
        return f'lossy = {{"{self.direction}": {{"{self.item}": "why"}}}}'

    @property
    def amount(self) -> str:
        """Its count in words, such as `12 rows`."""
        if self.count is None:
            return f"an unknown number of {self.unit}s"
        return count(self.count, self.unit)

    def __str__(self) -> str:
        return f"{self.item}: {self.amount}" + (f" ({self.reason})" if self.reason else " (not declared)")


@dataclass(frozen=True)
class Agreement:
    """What a person has agreed to lose in a rollback.

    Attributes:
        everything: whatever the revisions declare.
        most: the largest count agreed to, by revision and item, as it was named in the plan; None where the plan named
            an unknown number.
    """

    everything: bool = False
    most: Mapping[tuple[str, str], int | None] = field(default_factory=dict)

    def covers(self, loss: Loss) -> bool:
        """Whether this loss, with this count, was agreed to."""
        named = self.most.get((loss.revision, loss.item), 0)
        return self.everything or named is None or (loss.count is not None and loss.count <= named)


@dataclass(frozen=True)
class Missing:
    """What a rebuild has lost.

    Attributes:
        item: how `lossy` names it, such as "trigger:audit".
        what: how a person names it.
        again: the line that keeps it, for the revision file.
    """

    item: str
    what: str
    again: str
