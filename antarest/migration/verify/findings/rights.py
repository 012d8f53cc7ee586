"""Finds rights that are missing at head, and rights that a downgrade does not restore (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import Connection, MetaData, text

from ...errors.text import count
from .finding import Finding
from .proof import Proof

_OBJECTS = text("""
    SELECT c.relname, c.relkind FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i'))
    ORDER BY c.relname
""")
_ALONE = text("""
    SELECT c.relname FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'S'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i', 'e'))
""")
_GRANTED = text("""
    SELECT c.relname, coalesce(r.rolname, 'PUBLIC'), a.privilege_type FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL aclexplode(c.relacl) AS a LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
    WHERE c.relnamespace = current_schema()::regnamespace AND a.grantee <> c.relowner
""")
_KINDS = {"S": "sequence", "v": "view", "m": "view"}
_OURS = "NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = {oid} AND d.deptype = 'e')"
_RIGHTS = text(f"""
    SELECT held.object, a.privilege_type, coalesce(r.rolname, 'PUBLIC') FROM (
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass AS object, c.relacl AS acl,
            c.relowner AS owner
        FROM pg_catalog.pg_class AS c
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.oid >= 16384 AND {_OURS.format(oid="c.oid")}
        UNION ALL SELECT 'COLUMN ' || c.oid::regclass || '.' || a.attname, a.attacl, c.relowner
        FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'f') AND c.oid >= 16384
        UNION ALL SELECT 'FUNCTION ' || p.oid::regprocedure, coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
        FROM pg_catalog.pg_proc AS p WHERE p.oid >= 16384 AND {_OURS.format(oid="p.oid")}
        UNION ALL SELECT 'TYPE ' || t.oid::regtype, coalesce(t.typacl, acldefault('T', t.typowner)), t.typowner
        FROM pg_catalog.pg_type AS t
        WHERE t.typtype IN ('e', 'd') AND t.oid >= 16384 AND {_OURS.format(oid="t.oid")}
        UNION ALL SELECT 'SCHEMA ' || n.nspname, coalesce(n.nspacl, acldefault('n', n.nspowner)), n.nspowner
        FROM pg_catalog.pg_namespace AS n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        UNION ALL SELECT concat_ws(' IN SCHEMA ', 'new ' || CASE f.defaclobjtype WHEN 'r' THEN 'TABLES'
            WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END, n.nspname),
            f.defaclacl, f.defaclrole
        FROM pg_catalog.pg_default_acl AS f LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = f.defaclnamespace
    ) AS held
    LEFT JOIN LATERAL aclexplode(held.acl) AS a ON a.grantee <> held.owner
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
    UNION ALL SELECT 'TABLE ' || c.oid::regclass, 'OWNERSHIP', r.rolname
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= 16384
""")

# The objects that an `Inventory` does not contain, each with its kind.
_OTHERS = text("""
    SELECT 'schema', nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'statistics', stxname FROM pg_catalog.pg_statistic_ext
""")

Rights = Mapping[str, set[tuple[str, str]]]
"""A mapping from an object to the rights on the object, each with the role that has the right."""


def read_rights(connection: Connection) -> Rights:
    """Return the rights on each object, and the default rights on future objects; empty on SQLite."""
    found: dict[str, set[tuple[str, str]]] = {}
    for object_, right, role in connection.execute(_RIGHTS) if connection.dialect.name == "postgresql" else ():
        found.setdefault(object_, set()).update([(right, role)] if right else [])
    return found


def read_others(connection: Connection) -> set[tuple[str, str]]:
    """Return the kind and name of each object that an `Inventory` does not contain; empty on SQLite."""
    rows = connection.execute(_OTHERS) if connection.dialect.name == "postgresql" else ()
    return {(kind, name) for kind, name in rows}


def differing_rights(before: Rights, after: Rights) -> Iterator[tuple[str, str]]:
    """Yield each object whose rights differ, with a description of the difference.

    Args:
        before: the rights before the upgrade of a revision.
        after: the rights after the downgrade of the same revision.
    """
    of_new = {name for name in (*before, *after) if name.startswith("new ")}
    for name in sorted((before.keys() & after.keys()) | of_new):
        then, now = before.get(name, set()), after.get(name, set())
        for rights, place in ((now - then, "the downgraded schema"), (then - now, "the schema before")):
            roles: dict[str, list[str]] = {}
            for right, role in sorted(rights):
                roles.setdefault(role, []).append(right)
            for role, named in roles.items():
                yield name, f"{', '.join(named)} on {name} for {role}: only in {place}"


def missing_rights(
    proof: Proof,
    connection: Connection,
    made_by: Mapping[str, str],
    version_table: str,
    metadata: MetaData | None,
) -> Iterator[Finding]:
    """Yield a finding for each object that a role cannot use, if the role can use other objects of the same kind.

    Args:
        proof: the proof of the history as a whole.
        connection: a connection to a database at head.
        made_by: a mapping from the name of each object to the revision that creates it.
        version_table: the table in which Alembic records the revision. It is left out.
        metadata: the metadata of the application, or None. If it is given and no revision grants a right, a sequence
            gets an error if the models use it and no column owns it. Every other object gets a note.
    """
    if connection.dialect.name != "postgresql":
        return
    kinds = {name: _KINDS.get(kind, "table") for name, kind in connection.execute(_OBJECTS) if name != version_table}
    granted: dict[str, dict[str, set[str]]] = {}
    for name, role, right in connection.execute(_GRANTED):
        granted.setdefault(role, {}).setdefault(name, set()).add(right)
    alone = {*connection.scalars(_ALONE)}
    connection.rollback()
    for role, rights in granted.items():
        writes = any("INSERT" in each for each in rights.values())
        own = {kinds[name] for name in rights if name in kinds} | ({"sequence"} if writes else set())
        for name, kind in kinds.items():
            if name not in rights and kind in own:
                found = f"the role {role} may not use the {kind} {name}, but may use others"
                yield Finding.of("V705", found, made_by.get(name, ""), proof.engine, item=name, table=name)
    if not granted and metadata is not None:
        drawn = {str(getattr(each.default, "name", "")) for table in metadata.tables.values() for each in table.columns}
        yield from _never_granted(proof, kinds, made_by, drawn & alone)


def _never_granted(
    proof: Proof, kinds: Mapping[str, str], made_by: Mapping[str, str], sequences: Collection[str]
) -> Iterator[Finding]:
    """Yield the findings about a history that grants no right: an error for each of `sequences`, and notes."""
    by_revision: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        revision = made_by.get(name, "")
        if name in sequences:
            found = f"no role but the owner may use the sequence {name}, from which the models draw numbers"
            yield Finding.of("V705", found, revision, proof.engine, item=name, table=name)
        else:
            by_revision.setdefault(revision, []).append(f"{kind} {name}")
    for revision, names in by_revision.items():
        shown = ", ".join(names[:3]) + (f" and {count(len(names) - 3, 'other')}" if len(names) > 3 else "")  # noqa: PLR2004
        found = f"no role but the owner may use the {shown}, and no revision grants a right"
        yield Finding.of("V705", found, revision, proof.engine, severity="note")
