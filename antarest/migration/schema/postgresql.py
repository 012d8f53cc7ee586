"""Reads the schema of PostgreSQL with SQLAlchemy's inspector, and the other properties from the catalogs.

The number of queries does not depend on the number of tables, but the inspector reads one schema at a time. Objects of
all schemas are read, except those of the system and of extensions. The name of an object includes its schema, unless
this is the current schema.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Sequence as Rows
from contextlib import contextmanager
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Connection, Inspector
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.dialects.postgresql.base import PGInspector
from sqlalchemy.engine.interfaces import (
    ReflectedColumn,
    ReflectedComputed,
    ReflectedForeignKeyConstraint,
    ReflectedPrimaryKeyConstraint,
    ReflectedUniqueConstraint,
)

from .inventory import (
    CheckConstraint,
    Column,
    Definition,
    Enum,
    ForeignKey,
    Index,
    Inventory,
    PrimaryKey,
    Sequence,
    Table,
    Unique,
)
from .objects import ObjectKey, read_objects
from .sql import normalise, parse_index

_Options = dict[tuple[str, str | None], str]
"""The options of constraints that the inspector does not read. A key is the table and the name of a constraint."""

_TABLES = """
    SELECT {relation_name}, c.relname, {relation_schema},
        concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
        CASE c.relkind WHEN 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) WHEN 'f' THEN 'FOREIGN' END,
        CASE WHEN c.relispartition THEN 'PARTITION ' || pg_get_expr(c.relpartbound, c.oid) END),
        concat_ws(' ', CASE WHEN c.relrowsecurity THEN 'ROW LEVEL SECURITY' END,
        CASE WHEN c.relforcerowsecurity THEN 'FORCED' END,
        CASE c.relreplident WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'n' THEN 'REPLICA IDENTITY NOTHING'
        WHEN 'i' THEN 'REPLICA IDENTITY USING INDEX' END, array_to_string(c.reloptions, ' '))
    FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'f') AND {relation}
"""
_CONSTRAINTS = """
    SELECT {relation_name}, o.conname, o.contype::text,
        CASE o.contype WHEN 'c' THEN pg_get_expr(o.conbin, o.conrelid, true) ELSE pg_get_constraintdef(o.oid) END,
        concat_ws(' ',
        CASE WHEN o.condeferrable THEN 'DEFERRABLE' END, CASE WHEN o.condeferred THEN 'INITIALLY DEFERRED' END,
        CASE WHEN o.contype = 'f' AND o.confmatchtype = 'f' THEN 'MATCH FULL' END,
        CASE WHEN o.contype = 'u' AND i.indnullsnotdistinct THEN 'NULLS NOT DISTINCT' END,
        CASE WHEN o.contype = 'c' AND o.connoinherit THEN 'NO INHERIT' END,
        CASE WHEN NOT o.convalidated THEN 'NOT VALID' END)
    FROM pg_constraint AS o JOIN pg_class AS c ON c.oid = o.conrelid
    LEFT JOIN pg_index AS i ON i.indexrelid = o.conindid
    WHERE o.contype IN ('p', 'f', 'u', 'c', 'x') AND {relation}
"""
_INDEXES = """
    SELECT {relation_name}, n.relname, pg_get_indexdef(i.indexrelid), i.indisvalid
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_class AS n ON n.oid = i.indexrelid
    WHERE c.relkind IN ('r', 'p') AND {relation} AND NOT EXISTS (
        SELECT FROM pg_constraint AS o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))
    ORDER BY n.relname
"""
# The type of each column; and its collation, unless this is the collation of the type, or of the type below a domain.
# The inspector of SQLAlchemy 2.1 uses the same rule.
_COLUMNS = """
    SELECT {relation_name}, a.attname, format_type(a.atttypid, a.atttypmod), l.collname FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_type AS t ON t.oid = a.atttypid JOIN pg_type AS b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
    LEFT JOIN pg_collation AS l ON l.oid = a.attcollation AND a.attcollation <> b.typcollation
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f') AND {relation}
"""
_SEQUENCES = """
    SELECT {relation_name}, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
        s.seqcycle, (SELECT {owner_name} || '.' || a.attname
            FROM pg_depend AS d JOIN pg_class AS t ON t.oid = d.refobjid
            JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
            WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1)
    FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid WHERE {relation}
"""
_VIEWS = """
    SELECT {relation_name}, CASE c.relkind WHEN 'm' THEN 'materialized ' ELSE '' END || pg_get_viewdef(c.oid)
    FROM pg_class AS c WHERE c.relkind IN ('v', 'm') AND {relation}
"""
_TRIGGERS = """
    SELECT {relation_name}, t.tgname, pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'D' THEN ' DISABLED' ELSE '' END
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND {relation}
"""
_POLICIES = """
    SELECT {relation_name}, p.polname, concat_ws(' ', CASE WHEN NOT p.polpermissive THEN 'RESTRICTIVE' END,
        CASE p.polcmd WHEN 'r' THEN 'FOR SELECT' WHEN 'a' THEN 'FOR INSERT' WHEN 'w' THEN 'FOR UPDATE'
            WHEN 'd' THEN 'FOR DELETE' END, 'TO ' || p.polroles::regrole[]::text,
        'USING ' || pg_get_expr(p.polqual, p.polrelid),
        'WITH CHECK ' || pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid WHERE {relation}
"""
_OTHERS = (
    *("extension", "rule", "collation", "aggregate", "operator", "cast", "event trigger", "publication"),
    *("text search configuration", "text search dictionary", "foreign-data wrapper", "server"),
)
# Composite types and ranges. Enums and domains are read with their definitions.
_TYPES = """
    SELECT {type_name} FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = t.typrelid
    WHERE (t.typtype = 'r' OR c.relkind = 'c') AND {type}
"""
_ATTRIBUTES = """
    SELECT {type_name} || '.' || a.attname FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid
    JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped AND {type}
"""
_FUNCTIONS = """
    SELECT {function_name} || '(' || pg_get_function_identity_arguments(p.oid) || ')', pg_get_functiondef(p.oid)
    FROM pg_proc AS p WHERE p.prokind IN ('f', 'p', 'w') AND {function}
"""
_DOMAINS = """
    SELECT {type_name}, concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
        CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || t.typdefault,
        (SELECT string_agg(o.conname || ' ' || pg_get_constraintdef(o.oid), ' ' ORDER BY o.conname)
            FROM pg_constraint AS o WHERE o.contypid = t.oid AND o.contype = 'c'))
    FROM pg_type AS t WHERE t.typtype = 'd' AND {type}
"""
# The condition for objects that belong neither to the system nor to an extension.
OURS = """
    {namespace} NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema')
    AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = {oid} AND e.deptype = 'e')
"""
# The schema of an object; NULL for the current one.
_SCHEMA = "(SELECT nspname FROM pg_namespace WHERE oid = {namespace} AND nspname IS DISTINCT FROM current_schema())"
_NAME = f"concat_ws('.', {_SCHEMA}, {{name}})"
_CONDITIONS = {
    "relation": OURS.format(oid="c.oid", namespace="c.relnamespace"),
    "relation_schema": _SCHEMA.format(namespace="c.relnamespace"),
    "relation_name": _NAME.format(namespace="c.relnamespace", name="c.relname"),
    "owner_name": _NAME.format(namespace="t.relnamespace", name="t.relname"),
    "function": OURS.format(oid="p.oid", namespace="p.pronamespace"),
    "function_name": _NAME.format(namespace="p.pronamespace", name="p.proname"),
    "type": OURS.format(oid="t.oid", namespace="t.typnamespace"),
    "type_name": _NAME.format(namespace="t.typnamespace", name="t.typname"),
}


def reflect(connection: Connection, exclude: Collection[str]) -> Inventory:
    """Return the inventory of the objects of a PostgreSQL database."""
    inspector = cast("PGInspector", sa.inspect(connection))
    domains = {name: Definition(name, text) for name, text in _rows(connection, _DOMAINS)}
    views = {name: Definition(name, normalise(text)) for name, text in _rows(connection, _VIEWS)}
    others = {each.key for each in read_objects(connection) if each.key.kind in _OTHERS}
    others |= {ObjectKey("type", name) for (name,) in _rows(connection, _TYPES)}
    others |= {ObjectKey("attribute", name) for (name,) in _rows(connection, _ATTRIBUTES)}
    return Inventory(
        engine="postgresql",
        tables=_tables(connection, inspector, exclude),
        enums={name: Enum(name, labels) for name, labels in _enums(inspector)},
        sequences={row[0]: Sequence(*row) for row in _rows(connection, _SEQUENCES)},
        views=views,
        triggers={
            f"{table}.{name}": Definition(name, text)
            for table, name, text in _rows(connection, _TRIGGERS)
            if table not in exclude
        },
        functions={name: Definition(name, text) for name, text in _rows(connection, _FUNCTIONS)},
        domains=domains,
        policies={
            f"{table}.{name}": Definition(name, text)
            for table, name, text in _rows(connection, _POLICIES)
            if table not in exclude
        },
        others=frozenset(others),
    )


def _tables(connection: Connection, inspector: Inspector, exclude: Collection[str]) -> dict[str, Table]:
    options: _Options = {}
    checks: dict[str, list[CheckConstraint]] = defaultdict(list)
    exclusions: dict[str, list[CheckConstraint]] = defaultdict(list)
    for table, name, kind, definition, text in _rows(connection, _CONSTRAINTS):
        options[table, name] = text
        if kind == "c":
            checks[table].append(CheckConstraint(normalise(definition), name, text))
        elif kind == "x":
            exclusions[table].append(CheckConstraint(normalise(definition), name))
    indexes: dict[str, list[Index]] = defaultdict(list)
    for table, name, definition, valid in _rows(connection, _INDEXES):
        keys, unique, where, rest = parse_index(definition)
        indexes[table].append(Index(name, table, keys, unique, where, rest if valid else f"{rest} INVALID".strip()))
    more = {(table, column): (kind, collation) for table, column, kind, collation in _rows(connection, _COLUMNS)}
    tables = sorted(_rows(connection, _TABLES))
    read = {schema: _Read(inspector, schema) for schema in {None, *(schema for _, _, schema, _, _ in tables)}}
    return {
        name: Table(
            name=name,
            columns=tuple(_column(connection, each, *more[name, each["name"]]) for each in read[schema].columns[key]),
            primary_key=_primary_key(read[schema].primary_keys[key], name, options),
            foreign_keys=_foreign_keys(read[schema].foreign_keys[key], name, options),
            uniques=_uniques(read[schema].uniques[key], name, options),
            checks=(*sorted(checks[name], key=repr), *exclusions[name]),
            indexes=tuple(indexes[name]),
            options=text,
            settings=settings,
            comment=read[schema].comments[key]["text"],
        )
        for name, bare, schema, text, settings in tables
        if name not in exclude
        for key in [(schema, bare)]
    }


class _Read:
    """The parts of all tables of a schema, as the inspector reads them."""

    def __init__(self, inspector: Inspector, schema: str | None) -> None:
        with without_warnings():
            self.columns = inspector.get_multi_columns(schema)
        self.comments = inspector.get_multi_table_comment(schema)
        self.uniques = inspector.get_multi_unique_constraints(schema)
        # The checks are read elsewhere: what the inspector returns for them depends on the version of SQLAlchemy.
        self.primary_keys = inspector.get_multi_pk_constraint(schema)
        self.foreign_keys = inspector.get_multi_foreign_keys(schema)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Hide warnings about unknown types, about tables that refer to each other, and about changed computed columns.

    These warnings are not needed: the inventory has the names of the types, a new revision creates the foreign keys
    between the tables last, and `db.revision` lists the changed columns.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Computed default on .* cannot be modified", UserWarning)
        warnings.filterwarnings("ignore", "Did not recognize type|Cannot correctly sort tables", sa.exc.SAWarning)
        yield


def _enums(inspector: PGInspector) -> Iterable[tuple[str, tuple[str, ...]]]:
    here = inspector.default_schema_name
    for each in inspector.get_enums("*"):
        yield each["name"] if each["schema"] == here else f"{each['schema']}.{each['name']}", tuple(each["labels"])


def _primary_key(found: ReflectedPrimaryKeyConstraint, table: str, options: _Options) -> PrimaryKey | None:
    columns = tuple(found["constrained_columns"])
    return PrimaryKey(columns, found["name"], options.get((table, found["name"]), "")) if columns else None


def _foreign_keys(
    found: Iterable[ReflectedForeignKeyConstraint], table: str, options: _Options
) -> tuple[ForeignKey, ...]:
    return tuple(sorted((_foreign_key(each, options[table, each["name"]]) for each in found), key=repr))


def _foreign_key(found: ReflectedForeignKeyConstraint, options: str) -> ForeignKey:
    pairs = sorted(zip(found["constrained_columns"], found["referred_columns"], strict=True))
    schema, actions = found["referred_schema"], found["options"]
    return ForeignKey(
        columns=tuple(column for column, _ in pairs),
        referred_table=f"{schema}.{found['referred_table']}" if schema else found["referred_table"],
        referred_columns=tuple(column for _, column in pairs),
        name=found["name"],
        on_update=actions.get("onupdate") or "NO ACTION",
        on_delete=actions.get("ondelete") or "NO ACTION",
        options=options,
    )


def _uniques(found: Iterable[ReflectedUniqueConstraint], table: str, options: _Options) -> tuple[Unique, ...]:
    uniques = (Unique(tuple(each["column_names"]), each["name"], options[table, each["name"]]) for each in found)
    return tuple(sorted(uniques, key=repr))


def _column(connection: Connection, column: ReflectedColumn, spelling: str, collation: str | None) -> Column:
    identity: Mapping[str, Any] | None = column.get("identity")
    return Column(
        name=column["name"],
        type=spelling if _is_unknown(column["type"]) else _spelling(connection, column["type"]),
        nullable=column["nullable"],
        default=column["default"],
        computed=_computed(column.get("computed")),
        identity=("ALWAYS" if identity["always"] else "BY DEFAULT") if identity else None,
        collation=collation,
        comment=column.get("comment"),
    )


def _computed(found: ReflectedComputed | None) -> str | None:
    """Return the expression of a generated column, followed by "stored" or "virtual"."""
    return f"{normalise(found['sqltext'])} {'stored' if found.get('persisted') else 'virtual'}" if found else None


def _is_unknown(kind: sa.types.TypeEngine[Any]) -> bool:
    """Return whether SQLAlchemy does not know a type, such as a type of an extension, or an array of such a type."""
    return isinstance(getattr(kind, "item_type", kind), sa.types.NullType)


def _spelling(connection: Connection, kind: sa.types.TypeEngine[Any]) -> str:
    """Return the engine's spelling of a type, without its schema and its collation.

    The collation is read with the column.
    """
    if isinstance(kind, (sa.Enum, DOMAIN)) and kind.name:
        return kind.name
    if isinstance(kind, sa.String):
        kind = kind.copy()
        kind.collation = None
    return kind.compile(dialect=connection.dialect)


def _rows(connection: Connection, sql: str) -> Rows[Any]:
    return connection.exec_driver_sql(sql.format_map(_CONDITIONS)).all()
