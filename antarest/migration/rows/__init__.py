"""Generated rows that respect the constraints of a schema, and snapshots that say what became of them.

fill(connection)
before = snapshot(connection)
...
assert changes(before, snapshot(connection)) == []
"""

from __future__ import annotations

from antarest.migration.rows.draw import NoValidRow
from antarest.migration.rows.filler import fill
from antarest.migration.rows.snapshots import Snapshot, TableRows, changes, snapshot

__all__ = ["NoValidRow", "Snapshot", "TableRows", "changes", "fill", "snapshot"]
