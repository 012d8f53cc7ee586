"""The links between the tables of a PostgreSQL database, and the functions and triggers that statements call.

A link connects two tables that can lose rows or values together, such as a table and its partition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Any

from sqlalchemy import Connection, text

# A parent table, a child table, and the kind of their link: "i" for a partition or an inheriting table. For a foreign
# key, the kind is the letter of its action on a delete or, in upper case, of its action on an update. The last two
# values are the referencing and the referenced column.
_LINKS = """
    SELECT inhparent, inhrelid, 'i', NULL, NULL FROM pg_catalog.pg_inherits
    UNION ALL SELECT k.confrelid, k.conrelid, action, a.attname, r.attname FROM pg_catalog.pg_constraint k
    CROSS JOIN LATERAL (VALUES (k.confdeltype::text), (upper(k.confupdtype::text))) AS actions (action)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
    JOIN pg_catalog.pg_attribute r ON r.attrelid = k.confrelid AND r.attnum = ANY (k.confkey)
    WHERE k.contype = 'f'
"""
# Definitions that a statement calls by their own name or by the name of their table, without those of extensions.
_DEFINITIONS = """
    SELECT p.proname, pg_catalog.pg_get_functiondef(p.oid) FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL SELECT c.relname, p.proname FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal
    UNION ALL SELECT c.relname, pg_catalog.pg_get_ruledef(r.oid) FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_class c ON c.oid = r.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


class Links:
    """The links between tables. They are read at the first use, and again at the first use after `forget()`."""

    def __init__(self, connection: Connection) -> None:
        """Prepare to read the links in the database of a connection."""
        self._connection = connection
        self._read: list[tuple[Any, ...]] | None = None

    def forget(self) -> None:
        """Forget the links, so that the next use reads them again."""
        self._read = None

    def reached(self, start: Collection[Hashable], kinds: str) -> set[Hashable]:
        """Return the tables in `start`, and all tables below them that are reached through links of these kinds."""
        found, waiting = set(start), list(start)
        while waiting:
            parent = waiting.pop()
            new = {child for above, child, kind, _, _ in self._all() if above == parent and kind in kinds} - found
            found |= new
            waiting.extend(new)
        return found

    def nulled(
        self, parents: Collection[Hashable], kinds: str, has_changed: Callable[[str], bool] = lambda _column: True
    ) -> set[Hashable]:
        """Return the tables in which an action of a foreign key may set values to NULL.

        Args:
            parents: the tables to which the foreign keys refer.
            kinds: the letters of the actions that count, as in `_LINKS`.
            has_changed: returns whether a statement may change a column to which a foreign key refers.
        """
        return {
            child
            for above, child, kind, _, column in self._all()
            if above in parents and kind in kinds and has_changed(column)
        }

    def referred(self, children: Collection[Hashable]) -> Iterator[tuple[Hashable, str]]:
        """Return the tables to which foreign keys of `children` refer, each with a column of such a foreign key."""
        return ((parent, column) for parent, child, _, column, _ in self._all() if child in children and column)

    def _all(self) -> list[tuple[Any, ...]]:
        if self._read is None:
            self._read = [tuple(row) for row in self._connection.execute(text(_LINKS))]
        return self._read


def read_definitions(connection: Connection) -> dict[str, str]:
    """Return the texts of the functions, triggers and rules of a database.

    The key of a function is its name. The key of a trigger or rule is the name of its table or view.
    """
    found: dict[str, str] = {}
    for name, definition in connection.execute(text(_DEFINITIONS)):
        found[name] = f"{found.get(name, '')}\n{definition or ''}"
    return found
