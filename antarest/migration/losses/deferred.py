"""Runs deferred foreign keys and constraint triggers at the end of each revision.

PostgreSQL would run them at the commit, when the revision at fault is no longer known. PostgreSQL also refuses to
alter a table while such a foreign key or trigger of the table still waits.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..errors.text import reason
from .tracking.base import NotAllowed

# The names of the constraints that can be deferred. `SET CONSTRAINTS` takes a name, and several tables of a schema can
# have a constraint of that name. A check of a constraint can only wait if a table of the constraint was written to.
_DEFERRABLE = text("""
    SELECT format('%I.%I', min(n.nspname), c.conname), bool_or(c.condeferred), bool_and(c.condeferred),
        current_setting('track_counts') <> 'on' OR bool_or(EXISTS (
            SELECT FROM pg_catalog.pg_stat_xact_user_tables s WHERE s.relid IN (c.conrelid, c.confrelid)
                AND s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0)),
        string_agg(DISTINCT c.conrelid::regclass::text, ', ') FILTER (WHERE c.condeferred),
        coalesce(string_agg(DISTINCT coalesce(nullif(c.conrelid, 0)::regclass::text, c.contypid::regtype::text), ', ')
            FILTER (WHERE NOT c.condeferred), '')
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
    WHERE (c.connamespace, c.conname) IN (
            SELECT d.connamespace, d.conname FROM pg_catalog.pg_constraint d WHERE d.condeferrable)
        AND has_schema_privilege(n.oid, 'USAGE') AND (n.nspname !~ '^pg_temp_' OR n.oid = pg_my_temp_schema())
    GROUP BY c.connamespace, c.conname
""")

# Most databases have no deferrable constraint. This query is much faster than the query for the list, so it runs first.
_HAS_DEFERRABLE = "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE condeferrable)"
# This single statement does the work of `run()` and `defer_again()` in an SQL script, which cannot use query results.
AS_STATEMENT = """DO $$ DECLARE deferred text;
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    SELECT string_agg(name, ', ') INTO deferred FROM (
        SELECT format('%I.%I', n.nspname, c.conname)
        FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
        WHERE has_schema_privilege(n.oid, 'USAGE') AND n.nspname !~ '^pg_temp_'
        GROUP BY n.nspname, c.conname HAVING bool_and(c.condeferred)) AS found (name);
    IF deferred IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || deferred || ' DEFERRED'; END IF;
END $$"""

# Statements that make no constraint deferrable. Other statements, such as DO, can do so without the word DEFERRABLE in
# their text.
_HARMLESS = re.compile(
    r"\s*(?:CREATE\s+(?:TABLE|(?:UNIQUE\s+)?INDEX)|ALTER\s+TABLE|DROP|INSERT|UPDATE|DELETE)\b(?!.*DEFERR)",
    re.IGNORECASE | re.DOTALL,
)


class DeferredFails(NotAllowed):
    """A deferred constraint fails at the end of a revision."""


class DeferredConstraints:
    """The constraints that can wait for the commit of a transaction. On SQLite there are none."""

    def __init__(self, connection: Connection) -> None:
        """Prepare for the transaction of a connection. No statement is executed yet."""
        self._connection = connection
        self._again: list[str] = []
        self._stuck = ""
        self._hears = False
        self._may_have_some = True  # whether a deferrable constraint can exist

    def before(self, statement: str) -> None:
        """Note a statement that is about to run. If every statement is noted, `run()` seldom has to query the server.

        Args:
            statement: the text of the statement.
        """
        self._hears = True
        self._may_have_some = self._may_have_some or not _HARMLESS.match(statement)

    def run(self) -> None:
        """Run the deferred constraints at the end of a revision. After that, PostgreSQL checks each statement at once.

        Raises:
            DeferredFails: a constraint fails.
        """
        if self._connection.dialect.name != "postgresql" or (self._hears and not self._may_have_some):
            return
        self._may_have_some = bool(self._connection.exec_driver_sql(_HAS_DEFERRABLE).scalar())
        if not self._may_have_some:
            return
        found = self._connection.execute(_DEFERRABLE).all()
        now = []
        for name, is_deferred, is_pure, is_touched, deferred, immediate in found:
            if not is_deferred or is_pure or is_touched:
                now.append(name)
            if is_pure:
                self._again.append(name)
            elif is_deferred and is_touched:
                self._stuck = (
                    f"the constraint {name} of {deferred} is INITIALLY DEFERRED, and that of {immediate} with the same "
                    "name is not: SET CONSTRAINTS cannot defer one of them alone, so rename one of them"
                )
        try:
            self._set(now if len(now) < len(found) else ["ALL"], "IMMEDIATE")
        except DBAPIError as error:
            raise DeferredFails(reason(error)) from error

    def defer_again(self) -> None:
        """Defer the constraints that `run()` has run, before the next revision of the transaction.

        Raises:
            NotAllowed: a constraint cannot be deferred again, because another constraint has the same name.
        """
        stuck, again = self._stuck, self._again
        self._stuck, self._again = "", []
        if stuck:
            raise NotAllowed(stuck)
        self._set(again, "DEFERRED")

    def _set(self, names: list[str], mode: str) -> None:
        if names:
            listed = ", ".join(names).replace("%", "%%")
            self._connection.exec_driver_sql(f"SET CONSTRAINTS {listed} {mode}")
