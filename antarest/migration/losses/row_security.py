"""Finds the tables that a revision writes to although PostgreSQL may hide some of their rows from the role.

If row security is active, UPDATE and DELETE reach only the rows that a policy shows, and nothing reports this.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass

from sqlalchemy import Connection, text

_WRITES = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:WITH|INSERT|UPDATE|DELETE|MERGE|COPY|DO)\b", re.IGNORECASE | re.DOTALL
)
_SWITCHES = re.compile(r"\b(?:SECURITY|ROLE)\b", re.IGNORECASE)

# A statement that writes to a table takes this lock until the transaction ends, even if the statement changes no row.
_ACTIVE = text("""
    SELECT c.oid, c.relname, c.oid::regclass::text,
        EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = c.oid
            AND l.mode = 'RowExclusiveLock' AND l.granted),
        coalesce((SELECT s.n_tup_ins + s.n_tup_upd + s.n_tup_del FROM pg_catalog.pg_stat_xact_user_tables s
            WHERE s.relid = c.oid), 0)
    FROM pg_catalog.pg_class c WHERE c.relrowsecurity AND row_security_active(c.oid)
""")


@dataclass(frozen=True)
class _ProtectedTable:
    """A table with active row security.

    Attributes:
        bare_name: the name of the table without its schema.
        name: the name of the table in messages.
        locked: whether the transaction holds a lock on the table for writing.
        changes: the number of rows of the table that the transaction has changed.
    """

    bare_name: str
    name: str
    locked: bool
    changes: int


class RowSecurity:
    """A watcher of row security in one transaction. On SQLite there is nothing to watch."""

    def __init__(self, connection: Connection) -> None:
        """Read the tables with active row security, in the transaction of a connection."""
        self._connection = connection
        self._written: set[str] = set()
        self._active = self._read()  # since the last statement that switches row security

    def begin(self) -> None:
        """Begin to watch a revision. Forget the tables that earlier revisions wrote to."""
        self._written = set()
        if self._active:
            self._active = self._read()

    def before(self, statement: str) -> None:
        """Note the tables to which a statement is about to write."""
        if self._active and _WRITES.match(statement):
            words = set(re.findall(r"\w+", statement.lower()))
            names = ((set(re.findall(r"\w+", table.bare_name.lower())), table.name) for table in self._active.values())
            self._written |= {name for parts, name in names if parts <= words}
        if self._active and _SWITCHES.search(statement):
            self._written |= self._compare()

    def after(self, statement: str) -> None:
        """Read the tables again after a statement that may have switched row security on or off."""
        if _SWITCHES.search(statement):
            self._active = self._read()

    def written(self) -> list[str]:
        """Return the tables that the revision wrote to while row security may have hidden some of their rows."""
        if self._active:
            self._written |= self._compare()
        return sorted(self._written)

    def _compare(self) -> set[str]:
        """Return the tables that were written to since the last `_read()`, even if no statement names them."""
        now = self._read()
        return {
            table.name
            for oid, table in self._active.items()
            if (new := now.get(oid)) and ((new.locked and not table.locked) or new.changes > table.changes)
        }

    def _read(self) -> dict[Hashable, _ProtectedTable]:
        if self._connection.dialect.name != "postgresql":
            return {}
        return {oid: _ProtectedTable(*rest) for oid, *rest in self._connection.execute(_ACTIVE)}
