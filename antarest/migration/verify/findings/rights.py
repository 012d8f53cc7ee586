"""Finds tables and sequences that only their owner may use (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text

from ...errors.text import count
from .finding import Finding
from .proof import Proof

_OBJECTS = text("""
    SELECT c.relname, c.relkind FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i'))
    ORDER BY c.relname
""")
_GRANTED = text("""
    SELECT c.relname, coalesce(r.rolname, 'PUBLIC'), a.privilege_type FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL aclexplode(c.relacl) AS a LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
    WHERE c.relnamespace = current_schema()::regnamespace AND a.grantee <> c.relowner
""")
_KINDS = {"S": "sequence", "v": "view", "m": "view"}


def missing_rights(
    proof: Proof, connection: Connection, made_by: Mapping[str, str], version_table: str, *, is_noted: bool
) -> Iterator[Finding]:
    """Find the objects that a role may not use, although it may use other objects of the same kind.

    Args:
        proof: the proof of the history as a whole.
        connection: a connection to a database at head.
        made_by: the revision that creates each object, by name.
        version_table: the table of Alembic.
        is_noted: whether to add a note if no revision grants any right.
    """
    if connection.dialect.name != "postgresql":
        return
    kinds = {name: _KINDS.get(kind, "table") for name, kind in connection.execute(_OBJECTS) if name != version_table}
    granted: dict[str, dict[str, set[str]]] = {}
    for name, role, right in connection.execute(_GRANTED):
        granted.setdefault(role, {}).setdefault(name, set()).add(right)
    connection.rollback()
    for role, rights in granted.items():
        writes = any("INSERT" in each for each in rights.values())
        own = {kinds[name] for name in rights if name in kinds} | ({"sequence"} if writes else set())
        for name, kind in kinds.items():
            if name not in rights and kind in own:
                found = f"the role {role} may not use the {kind} {name}, but may use others"
                yield Finding.of("V705", found, made_by.get(name, ""), proof.engine, item=name, table=name)
    if not granted and is_noted:
        by_revision: dict[str, list[str]] = {}
        for name, kind in kinds.items():
            by_revision.setdefault(made_by.get(name, ""), []).append(f"{kind} {name}")
        for revision, names in by_revision.items():
            shown = ", ".join(names[:3]) + (f" and {count(len(names) - 3, 'other')}" if len(names) > 3 else "")  # noqa: PLR2004
            found = f"no role but the owner may use the {shown}, and no revision grants a right"
            yield Finding.of("V705", found, revision, proof.engine, severity="note")
