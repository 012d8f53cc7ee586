"""The objects of a database that can be dropped, on both engines: tables, views, functions, types and others."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from ..database.catalog import shadow_tables


class ObjectKey(NamedTuple):
    """The kind of an object ("table", "view", "function") and its name, without the current schema."""

    kind: str
    name: str


@dataclass(frozen=True)
class DatabaseObject:
    """An object of a database. Two objects are equal if their keys are equal, even in different databases.

    Attributes:
        key: the kind and the name of the object.
        sql: the name of the object as SQL.
        identity: the identity of the object. For a table, it equals the identity of its `CatalogTable`.
        owner: the identity of another object, with which this object is dropped: the table of a trigger, an index, a
            policy, a rule or a partition; the virtual table of a shadow table (SQLite); or the extension of a table.
            None if there is no such object.
    """

    key: ObjectKey
    sql: str = field(compare=False)
    identity: Hashable = field(compare=False)
    owner: Hashable = field(compare=False, default=None)


_SQLITE = """
    SELECT type, name, CASE WHEN type IN ('index', 'trigger') THEN tbl_name END, sql
    FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'
"""
# Every object that users make has a number of 16384 or more. Each of these depends on another object, at least on its
# schema. Only a schema, a publication, and a foreign-data wrapper without a handler do not. The letter of a dependency
# tells which objects are dropped together: "a" and "i" with a table, "e" with an extension.
_POSTGRESQL = """
    WITH made AS (
        SELECT d.classid, d.objid, bool_or(d.deptype = 'a') AS is_part, bool_or(d.deptype = 'e') AS is_member,
            max(d.refobjid) FILTER (WHERE d.deptype = 'a' AND d.refclassid = 'pg_class'::regclass
                OR d.deptype = 'e') AS owner
        FROM pg_catalog.pg_depend d WHERE d.objid >= 16384 AND d.objsubid = 0
        GROUP BY d.classid, d.objid HAVING NOT bool_or(d.deptype IN ('i', 'P', 'S'))
        UNION ALL SELECT n.class, n.oid, FALSE, FALSE, NULL FROM (
            SELECT tableoid, oid FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_'
            UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_publication
            UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_foreign_data_wrapper
        ) AS n (class, oid)
        WHERE n.oid >= 16384 AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = n.class AND d.objid = n.oid)
    )
    SELECT o.type, o.identity, quote_ident(current_schema()), made.objid, made.owner
    FROM made CROSS JOIN LATERAL pg_catalog.pg_identify_object(made.classid, made.objid, 0) o
    WHERE (o.schema IS NULL OR o.schema !~ '^pg_') AND o.type <> 'user mapping' AND CASE
        WHEN made.is_member THEN o.type = 'table'
        WHEN made.is_part THEN made.owner IS NOT NULL
            AND o.type IN ('table', 'foreign table', 'index', 'trigger', 'policy', 'rule')
        ELSE TRUE END
"""


def read_objects(connection: Connection, *, exclude: Collection[str] = ()) -> set[DatabaseObject]:
    """Return the objects of a database, without the system objects of the server.

    The result includes triggers, indexes, policies, rules, partitions, and the tables of extensions. Other
    parts of tables and extensions are left out.

    Args:
        connection: a connection to the database.
        exclude: the tables to leave out.
    """
    query = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}[connection.dialect.name]
    rows = connection.exec_driver_sql(query).all()
    if connection.dialect.name == "sqlite":
        quote = connection.dialect.identifier_preparer.quote_identifier
        owners = shadow_tables({name: sql for kind, name, _, sql in rows if kind == "table"})
        found = {
            DatabaseObject(ObjectKey(kind, name), quote(name), name, table or owners.get(name))
            for kind, name, table, _ in rows
        }
    else:
        found = {
            DatabaseObject(ObjectKey(kind, _without(schema, identity)), identity, oid, owner)
            for kind, identity, schema, oid, owner in rows
        }
    hidden = {ObjectKey("table", name) for name in exclude}
    return {each for each in found if each.key not in hidden}


def _without(schema: str | None, identity: str) -> str:
    """Return an identity, such as `public.f(public.mood)`, without the name of the current schema."""
    return re.sub(rf'(?<![\w$".]){re.escape(schema)}\.', "", identity) if schema else identity
