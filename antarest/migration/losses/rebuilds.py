"""Finds the objects that a table rebuild on SQLite loses: triggers, indexes, views, checks, and properties of columns.

For most changes of a table SQLite needs a new table. `op.batch_alter_table` makes the new table from those properties
of the old table that Alembic can read. The other properties are lost, and nothing reports this. So `RebuildGuard`
compares the text of the schema, as SQLite stores it, before and after each revision. If an object is missing, and the
revision did not drop it by its name, the run fails. The counter of AUTOINCREMENT is kept: without the counter, new rows
would get the ids of deleted rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

from ..database.driver_connections import Attempt, Watcher
from ..errors.loss import Missing
from ..errors.revision import Direction, Revision
from ..schema.sql import name_of, parse_index, tokenise
from ..schema.sqlite_text import TableText, fold, read_table, with_quotes_for_brackets

_MASTER = """
    SELECT type, name, tbl_name, sql FROM sqlite_master
    WHERE sql IS NOT NULL AND tbl_name NOT IN (SELECT value FROM json_each(?))
"""
_DROPS = re.compile(
    r"\bDROP\s+(INDEX|TRIGGER|VIEW)\s+(?:IF\s+EXISTS\s+)?(?:main\s*\.\s*)?(\"(?:[^\"]|\"\")+\"|`[^`]+`|\[[^\]]+\]|\w+)",
    re.IGNORECASE,
)
_IN_THE_WAY = re.compile(r"error in (view|trigger) (.+?)(?: after \w+)?: ")
_NAME = r'(?:"(?:[^"]|"")+"|[^\s".]+)'
_DEPENDS = re.compile(
    rf"\b(materialized view|view|policy) ({_NAME}(?:\.{_NAME})?(?: on table {_NAME}(?:\.{_NAME})?)?) depends on"
)
# The statements that create a view again, with the indexes, triggers and rights that are dropped with the view.
_VIEW = """
    SELECT pg_get_viewdef(c.oid, true), ARRAY(
        SELECT pg_get_indexdef(i.indexrelid) FROM pg_index AS i WHERE i.indrelid = c.oid
        UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
        UNION ALL SELECT format('GRANT %s ON %s TO %s', string_agg(a.privilege_type, ', '), c.oid::regclass,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
            FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner GROUP BY a.grantee)
    FROM pg_class AS c WHERE c.oid = to_regclass(:name)
"""
_POLICY = """
    SELECT concat_ws(' ', CASE WHEN p.polpermissive THEN '' ELSE 'AS RESTRICTIVE' END,
        'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
            WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
        'TO ' || (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ')
            FROM unnest(p.polroles) AS r),
        'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
    FROM pg_policy AS p WHERE p.polrelid = to_regclass(:name) AND quote_ident(p.polname) = :policy
"""
_LIST = re.compile(r"\W*(\w+)\W* in \(", re.IGNORECASE)
_OPTION = "antarest_rebuild"
_COUNTERS = "sqlite_sequence"


_Row = tuple[str, str, str, str]


class _Object(NamedTuple):
    """A row of `sqlite_master`. Rows are compared before they are parsed, because most of them have not changed."""

    kind: str
    name: str
    table: str
    sql: str


@dataclass
class _NamedDrops:
    """The objects that the revision drops or renames by name, in a statement or an operation.

    Names are in lower case.
    """

    dropped: set[str] = field(default_factory=set)  # names of indexes, triggers, views and constraints
    renamed: set[tuple[str, str]] = field(default_factory=set)  # the table and the old name of a column


class RebuildGuard(Watcher):
    """Watches the revisions of one transaction on SQLite. Call `begin()` before and `end()` after each revision."""

    def __init__(self, context: MigrationContext, exclude: Iterable[str] = ()) -> None:
        """Prepare to watch a migration context of Alembic, except for the tables in `exclude`."""
        assert context.connection is not None  # noqa: S101 - a run is never offline
        self._connection: Connection = context.connection
        self._exclude = json.dumps([*exclude])
        self._before: list[_Row] = []
        self._after: list[_Row] | None = None  # the rows after the last revision, for the next revision
        self._named = _NamedDrops()
        self._counters: dict[str, int] = {}
        self._metadata: sa.MetaData | None = context.opts.get("target_metadata")
        context.opts[_OPTION] = self  # `report_operation` finds the guard there.

    def begin(self) -> None:
        """Watch a revision that is about to run."""
        self._before, self._named = self._after or self._look(), _NamedDrops()
        self._after, self._counters = None, self._read_counters(self._before)

    def before(self, statement: str, attempt: Attempt | None = None) -> None:  # noqa: ARG002 - it only looks
        """Note the objects that a statement is about to drop by name."""
        self._named.dropped |= {_plain(found[2]) for found in _DROPS.finditer(statement)}
        if _COUNTERS in statement.lower():
            self._counters = {}  # The revision changes the counters itself.

    def end(self, revision: Revision, direction: Direction) -> list[Missing]:
        """Return the objects that a revision has lost, apart from those that it dropped by name or declares."""
        self._after = after = self._look()
        if after == self._before:
            return []
        self._keep_counters(after)
        declared = revision.structure_losses(direction)
        return [missing for missing in self._compare(after) if missing.item not in declared]

    def in_the_way(self, message: str) -> Missing | None:
        """Return the view or trigger that made a rebuild fail, because it refers to the rebuilt table."""
        if (found := _IN_THE_WAY.search(message)) is None:
            return None
        same = _find(self._before, found[1], found[2])
        return _missing(same) if same else None

    def note_operation(self, operation: MigrateOperation) -> None:
        """Note the names that an operation of Alembic drops or changes. In a batch, no statement has these names."""
        dropped: list[object] = []
        if isinstance(operation, ops.DropIndexOp):
            dropped = [operation.index_name]
        elif isinstance(operation, ops.DropConstraintOp):
            dropped = [operation.constraint_name, self._name_by_convention(operation)]
        elif isinstance(operation, ops.AlterColumnOp):
            if operation.modify_type is not None:  # Alembic drops the check of an old type that has a name.
                dropped = [getattr(operation.existing_type, "name", None)]
            if operation.modify_name:
                self._named.renamed.add((fold(operation.table_name), fold(operation.column_name)))
        self._named.dropped |= {fold(str(name)) for name in dropped if name}

    def _name_by_convention(self, operation: ops.DropConstraintOp) -> str | None:
        """Return the full name of a check: the name that a naming convention makes from the short name."""
        if self._metadata is None or operation.constraint_type != "check":
            return None
        constraint = sa.CheckConstraint("", name=operation.constraint_name)
        sa.Table(operation.table_name, sa.MetaData(naming_convention=self._metadata.naming_convention), constraint)
        name = sqlite.dialect().identifier_preparer.format_constraint(constraint)
        return _plain(name) if name else None

    # ---- the counters of AUTOINCREMENT

    def _read_counters(self, rows: list[_Row]) -> dict[str, int]:
        """Return the highest id that each table with AUTOINCREMENT has given to a row."""
        if not _find(rows, "table", _COUNTERS):
            return {}
        with closing(self._connection.connection.cursor()) as cursor:
            return dict(cursor.execute(f"SELECT name, seq FROM {_COUNTERS}").fetchall())

    def _keep_counters(self, after: list[_Row]) -> None:
        """Restore the counter of each table that was rebuilt. A new table begins with the highest id of its rows."""
        now = self._read_counters(after)
        for name, counter in self._counters.items():
            table = _find(after, "table", name)
            if table and read_table(table.sql).autoincrement and now.get(name, 0) < counter:
                with closing(self._connection.connection.cursor()) as cursor:
                    cursor.execute(f"DELETE FROM {_COUNTERS} WHERE name = ?", (name,))
                    cursor.execute(f"INSERT INTO {_COUNTERS} (name, seq) VALUES (?, ?)", (name, counter))

    # ---- the comparison

    def _look(self) -> list[_Row]:
        return _read(self._connection, self._exclude)

    def _compare(self, after: list[_Row]) -> list[Missing]:
        unchanged = frozenset(after)
        found: list[Missing] = []
        for each in (_Object._make(row) for row in self._before if row not in unchanged):
            same, table = _find(after, each.kind, each.name), _find(after, "table", each.table)
            if each.kind == "table":
                if same and same.sql != each.sql:
                    found += self._compare_tables(each.name, read_table(each.sql), read_table(same.sql))
            elif fold(each.name) in self._named.dropped or (same and same.sql == each.sql):
                continue
            elif each.kind == "view":
                found += [] if same else [_missing(each)]
            elif table and self._is_lost(each, same, read_table(table.sql)):
                found.append(_missing(each))
        return found

    def _is_lost(self, old: _Object, new: _Object | None, table: TableText) -> bool:
        """Return whether an index or trigger of an existing table is gone, or an index has lost a property."""
        if new is not None:
            return old.kind == "index" and _features(new.sql) != _features(old.sql)
        return old.kind == "trigger" or not self._is_about_dropped(old.table, old.sql, table)

    def _is_about_dropped(self, table: str, sql: str, now: TableText) -> bool:
        """Return whether a definition names a dropped column. If so, the defined object was dropped with the column."""
        before = _find(self._before, "table", table)
        columns = read_table(before.sql).columns if before else frozenset[str]()
        gone = {column for column in columns - now.columns if (fold(table), column) not in self._named.renamed}
        tokens = tokenise(with_quotes_for_brackets(sql))  # names are compared in lower case, also outside of ASCII
        return bool({name.lower() for name in gone} & {name_of(token).lower() for token in tokens})

    def _compare_tables(self, name: str, old: TableText, new: TableText) -> Iterator[Missing]:
        names = {fold(each.name) for each in new.checks if each.name}
        conditions = {each.expression for each in new.checks}
        replaced = {_listed(each) for each in conditions - {each.expression for each in old.checks}} - {""}
        for check, condition in ((fold(each.name or ""), each.expression) for each in old.checks):
            kept = condition in conditions or check in names or check in self._named.dropped
            kept = kept or _listed(condition) in replaced
            if not kept and not self._is_about_dropped(name, condition, new):
                item = f"check:{name}.{check}" if check else f"check:{name}"
                called = f"{check!r}" if check else '"NAME"'
                keep = f"batch.create_check_constraint({called}, {condition!r})"
                yield Missing(item, f"CHECK ({condition}) on {name}", keep)
        if old.autoincrement in new.columns and not new.autoincrement:
            keep = f'op.batch_alter_table("{name}", table_kwargs={{"sqlite_autoincrement": True}})'
            yield Missing(f"autoincrement:{name}", f"AUTOINCREMENT of {name}", keep)
        for column, collation in old.collations.items():
            if column in new.columns and column not in new.collations:
                keep = f'batch.alter_column("{column}", type_=sa.String(collation="{collation}"))'
                yield Missing(f"collation:{name}.{column}", f"COLLATE {collation} of {name}.{column}", keep)
        for column, expression in old.generated.items():
            if column in new.columns and column not in new.generated:
                keep = f'batch.add_column(sa.Column("{column}", ..., sa.Computed("{expression}")))'
                yield Missing(f"generated:{name}.{column}", f"{name}.{column} AS ({expression})", keep)
        if old.options and not new.options:
            yield Missing(
                f"options:{name}", f"{old.options} of {name}", f"op.execute('CREATE TABLE ... {old.options}')"
            )


def in_the_way(connection: Connection, error: BaseException) -> list[Missing]:
    """Return the views, triggers and policies that made a change of a table fail with this error."""
    raised = getattr(error, "orig", None)
    if connection.dialect.name == "sqlite":
        found = _IN_THE_WAY.search(str(raised))
        same = _find(_read(connection, "[]"), found[1], found[2]) if found else None
        return [_missing(same)] if same else []
    detail = getattr(getattr(raised, "diag", None), "message_detail", None) or ""
    return [_dependent(connection, kind, name) for kind, name in dict.fromkeys(_DEPENDS.findall(detail))]


def _dependent(connection: Connection, kind: str, name: str) -> Missing:
    """Return a view or policy of PostgreSQL with the statements that create it again."""
    if kind == "policy":
        policy, _, table = name.partition(" on table ")
        name = f"{policy} ON {table}"
        again = f"CREATE POLICY {name} {connection.scalar(sa.text(_POLICY), {'name': table, 'policy': policy})}"
    else:
        definition, more = connection.execute(sa.text(_VIEW), {"name": name}).one()
        text = str(definition).strip().rstrip(";")
        text = text if "'" in text else " ".join(text.split())  # Spaces in a literal are data.
        again = "; ".join([f"CREATE {kind.upper()} {name} AS {text}", *more])
    return Missing(f"{kind}:{name}", f"{kind} {name}", f"op.execute({again!r})")


def _read(connection: Connection, exclude: str) -> list[_Row]:
    # The schema is read at each revision, so SQLAlchemy is not used: it takes longer for the rows than SQLite.
    with closing(connection.connection.cursor()) as cursor:
        rows: list[_Row] = cursor.execute(_MASTER, (exclude,)).fetchall()
    return rows


def _find(rows: list[_Row], kind: str, name: str) -> _Object | None:
    return next((_Object._make(row) for row in rows if row[0] == kind and row[1] == name), None)


def _missing(old: _Object) -> Missing:
    where = "" if old.kind == "view" else f" on {old.table}"
    return Missing(f"{old.kind}:{old.name}", f"{old.kind} {old.name}{where}", f"op.execute({old.sql!r})")


def _features(sql: str) -> object:
    """Return the properties of an index without the names of its columns, which may have changed."""
    text = parse_index(with_quotes_for_brackets(sql))
    keys = [tokenise(key) for key in text.keys]
    orders = [("desc" in key, key[key.index("collate") + 1] if "collate" in key else "") for key in keys]
    return text.unique, text.where is None, orders


def _listed(condition: str) -> str:
    """Return the column of a condition such as `kind IN ('a', 'b')`; empty for a condition of another form.

    A check with such a condition is not lost if a check with another list of values for the same column replaces it.
    """
    found = _LIST.match(condition)
    return fold(found[1]) if found else ""


def _plain(name: str) -> str:
    return fold((name[1:-1] if name[0] in '"`[' else name).replace('""', '"'))


def report_operation(context: MigrationContext, operation: MigrateOperation) -> None:
    """Tell the guard of the run, if there is a guard, that an operation of Alembic is about to run."""
    guard: RebuildGuard | None = context.opts.get(_OPTION)
    if guard is not None:
        guard.note_operation(operation)
