"""A loss of data, and the agreement of a person to losses. The code that measures losses is in `losses/guard.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from .revision import Direction
from .text import count


@dataclass(frozen=True)
class Loss:
    """Data that a revision loses.

    Attributes:
        revision: the revision that loses the data.
        direction: whether the upgrade or the downgrade of the revision loses the data.
        item: the table or column with the data, as "table" or "table.column".
        count: the number of rows of a table, or of values of a column that are not NULL; None if nothing was counted.
        reason: the reason that the revision gives; empty if the revision does not declare the loss.
        unit: the unit of `count`: "row" for a table, "value" for a column.
    """

    revision: str
    direction: Direction
    item: str
    count: int | None
    reason: str = ""
    unit: str = "row"

    @property
    def declared(self) -> bool:
        """Whether the revision declares the loss."""
        return bool(self.reason)

    @property
    def amount(self) -> str:
        """A text with the count, such as `12 rows`."""
        if self.count is None:
            return f"an unknown number of {self.unit}s"
        return count(self.count, self.unit)

    def __str__(self) -> str:
        return f"{self.item}: {self.amount}" + (f" ({self.reason})" if self.reason else " (not declared)")


def declaration(direction: Direction, items: Iterable[str]) -> str:
    """Return the line for a revision file that declares these losses."""
    reasons = ", ".join(f'{json.dumps(item, ensure_ascii=False)}: "why"' for item in items)
    return f'lossy = {{"{direction}": {{{reasons}}}}}'


@dataclass(frozen=True)
class Agreement:
    """The losses that a person has agreed to in a rollback.

    Attributes:
        everything: whether the person agreed to all losses that the revisions declare.
        most: the largest count that the person agreed to, for each pair of a revision and an item. It is the count in
            the plan: None if the plan showed an unknown number, and 0 if it showed an empty table or column.
    """

    everything: bool = False
    most: Mapping[tuple[str, str], int | None] = field(default_factory=dict)

    def covers(self, loss: Loss) -> bool:
        """Return whether the person agreed to this loss with this count."""
        named = self.most.get((loss.revision, loss.item), 0)
        return self.everything or named is None or (loss.count is not None and loss.count <= named)

    def shown(self, loss: Loss) -> str:
        """Return the amount that the plan showed, such as `2 rows`; empty if nobody saw a plan with this loss."""
        key = (loss.revision, loss.item)
        return replace(loss, count=self.most[key]).amount if key in self.most else ""


@dataclass(frozen=True)
class Missing:
    """An object, such as a trigger, that the rebuild of a table has lost.

    Attributes:
        item: the name of the object in `lossy`, such as "trigger:audit".
        what: the name of the object in messages.
        again: the line for the revision file that creates the object again.
    """

    item: str
    what: str
    again: str
