"""Reads the contents of a PostgreSQL database for comparisons, and finds out whether the database is empty."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from ..schema.objects import ObjectKey, read_objects
from ..schema.postgresql import OURS

_NAME = "concat_ws('.', (SELECT nspname FROM pg_namespace WHERE oid = {0} AND nspname <> current_schema()), {1})"
_RELATIONS = f"""
    SELECT {_NAME.format("c.relnamespace", "c.relname")}, c.oid::regclass::text, c.relkind, c.relname FROM pg_class AS c
    WHERE c.relkind IN ('r', 'm', 'S') AND {OURS.format(oid="c.oid", namespace="c.relnamespace")} ORDER BY 1
"""
_SORTED = "(SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest({0}) AS x)"
_RIGHTS = f"""
    SELECT 'rights on ' || {_NAME.format("c.relnamespace", "c.relname")}, {_SORTED.format("c.relacl")}
    FROM pg_class AS c
    WHERE c.relacl IS NOT NULL AND {OURS.format(oid="c.oid", namespace="c.relnamespace")}
    UNION ALL
    SELECT 'rights on ' || {_NAME.format("c.relnamespace", "c.relname")} || '.' || a.attname,
        {_SORTED.format("a.attacl")}
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attacl IS NOT NULL AND {OURS.format(oid="c.oid", namespace="c.relnamespace")}
    UNION ALL
    SELECT 'rights on ' || {_NAME.format("p.pronamespace", "p.oid::regprocedure::text")}, {_SORTED.format("p.proacl")}
    FROM pg_proc AS p
    WHERE p.proacl IS NOT NULL AND {OURS.format(oid="p.oid", namespace="p.pronamespace")}
    UNION ALL
    SELECT 'rights on type ' || {_NAME.format("t.typnamespace", "t.typname")}, {_SORTED.format("t.typacl")}
    FROM pg_type AS t
    WHERE t.typacl IS NOT NULL AND {OURS.format(oid="t.oid", namespace="t.typnamespace")}
    UNION ALL
    SELECT 'rights on schema ' || n.nspname, {_SORTED.format("n.nspacl")} FROM pg_namespace AS n
    WHERE n.oid >= 16384 AND n.nspname <> current_schema() AND n.nspname !~ '^pg_' AND n.nspacl IS NOT NULL
    UNION ALL
    SELECT 'default rights ' || d.defaclobjtype::text || coalesce(nullif(n.nspname, current_schema()), ''),
        {_SORTED.format("d.defaclacl")}
    FROM pg_default_acl AS d LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
"""
_COMMENTS = """
    SELECT 'comment on ' || o.type || ' ' || o.identity, quote_ident(current_schema()), d.description
    FROM pg_description AS d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS o
    WHERE d.objoid >= 16384 AND o.type <> 'extension'
        AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = d.objoid AND e.deptype = 'e')
"""
_OTHERS = """
    SELECT 'policy ' || polname || ' on ' || polrelid::regclass::text, concat_ws(' ', polcmd::text, polpermissive::text,
        polroles::regrole[]::text, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
    UNION ALL SELECT 'rule ' || r.rulename || ' on ' || r.ev_class::regclass::text, pg_get_ruledef(r.oid)
    FROM pg_rewrite AS r WHERE r.oid >= 16384
    UNION ALL SELECT 'statistics ' || stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
    UNION ALL SELECT 'storage of ' || a.attrelid::regclass::text || '.' || a.attname,
        concat_ws(' ', a.attstorage::text, a.attcompression::text, a.attstattarget::text, a.attoptions::text)
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm')
        AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_')
"""
_PRESENT = f"""
    SELECT o.type, o.name, {_NAME.format("o.namespace", "o.name")} FROM (
        SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END, c.relname, c.oid,
            c.relnamespace FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
        UNION ALL SELECT 'function', p.proname, p.oid, p.pronamespace FROM pg_proc AS p
        UNION ALL SELECT 'type', t.typname, t.oid, t.typnamespace FROM pg_type AS t WHERE t.typtype IN ('e', 'd', 'r')
        UNION ALL SELECT 'operator', x.oprname, x.oid, x.oprnamespace FROM pg_operator AS x
        UNION ALL SELECT 'collation', l.collname, l.oid, l.collnamespace FROM pg_collation AS l
    ) AS o (type, name, oid, namespace)
    WHERE {OURS.format(oid="o.oid", namespace="o.namespace")} ORDER BY 1, 2
"""
_SETTINGS = {"check_function_bodies": "off", "standard_conforming_strings": "on"}
"""The settings for the statements of pg_dump. For example, a function may use a table that is created later."""
_SET = "SELECT " + ", ".join(f"current_setting('{name}'), set_config('{name}', :{name}, true)" for name in _SETTINGS)


def facts(connection: Connection, exclude: Collection[str]) -> Iterator[tuple[str, object]]:
    """Yield the name and content of each part that is not in an inventory: objects, rows, sequences, rights, others."""
    connection.exec_driver_sql("SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = ISO")  # Databases may differ here.
    own = ObjectKey("schema", home(connection))
    objects = (each.key for each in read_objects(connection))
    yield "the names of the objects", sorted(key for key in objects if key != own)
    for name, relation, kind, bare in connection.exec_driver_sql(_RELATIONS).all():
        if bare in exclude:
            continue
        if kind == "S":
            found = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {relation}").one()
            yield f"the position of {name}", tuple(found)
        else:
            rows = connection.exec_driver_sql(f'SELECT t::text FROM ONLY {relation} AS t ORDER BY t::text COLLATE "C"')
            yield f"the rows of {name}", [row[0] for row in rows]
    for query in (_RIGHTS, _OTHERS):
        yield from map(tuple, connection.exec_driver_sql(query))
    for name, schema, comment in connection.exec_driver_sql(_COMMENTS):
        yield name.replace(f"{schema}.", ""), comment


def home(connection: Connection) -> str:
    """Return the current schema, in which objects without the name of a schema are created; empty if there is none."""
    return str(connection.exec_driver_sql("SELECT current_schema()").scalar() or "")


def present(connection: Connection, exclude: Collection[str]) -> str:
    """Return an object of the database, such as `table study`; empty if the database has none.

    Objects of extensions do not count. Objects of all schemas count, because a revision may read another schema.
    """
    found = connection.exec_driver_sql(_PRESENT).all()
    return next((f"{kind} {full}" for kind, name, full in found if name not in exclude), "")


@contextmanager
def set_for_dump(connection: Connection) -> Iterator[None]:
    """Apply `_SETTINGS` for the statements of a dump. After the `with` block, restore the previous settings."""
    before = connection.execute(text(_SET), _SETTINGS).one()
    yield
    connection.execute(text(_SET), dict(zip(_SETTINGS, before[::2], strict=True)))
