"""Generated rows that respect the constraints of a schema, and snapshots that say what became of them.

fill(connection)
before = snapshot(connection)
...
assert changes(before, snapshot(connection)) == []
"""

from __future__ import annotations

from .draw import NoValidRow
from .filler import fill
from .snapshots import RowSnapshot, TableRows, changes, snapshot

__all__ = ["NoValidRow", "RowSnapshot", "TableRows", "changes", "fill", "snapshot"]
