"""The rights of the application's role, if another role runs the migrations and owns the new tables.

Rights are granted only on the objects of the project: the tables and sequences of the metadata, the sequences that
belong to columns of these tables, and the version table. Tables of other applications in the same schema are not
changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError

from ..errors.base import Hint, MigrationError
from ..errors.revision import VersionTable
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from ..errors.text import shorten
from ..project.project import Project
from .catalog import quote
from .driver_errors import NO_RIGHT, role_missing, sqlstate

_DEFAULT: Final = VersionTable()

# The missing rights on the objects that exist, and on the sequences that their columns own. This locks nothing: the
# functions read the catalog only, and return NULL for an object that was dropped meanwhile.
_LACKING = text("""
WITH named AS (
    SELECT namespace.oid AS namespace, namespace.nspname, given.name
    FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS given (schema, name)
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = coalesce(given.schema, current_schema())
), wanted AS (
    SELECT class.oid, class.relkind, class.relname, named.nspname
    FROM named
    JOIN pg_catalog.pg_class AS class ON class.relnamespace = named.namespace AND class.relname = named.name
    WHERE class.relkind IN ('r', 'p', 'S')
), object AS (
    SELECT * FROM wanted
    UNION
    SELECT class.oid, class.relkind, class.relname, namespace.nspname
    FROM wanted
    JOIN pg_catalog.pg_depend AS link ON link.refobjid = wanted.oid AND link.deptype IN ('a', 'i')
        AND link.refclassid = CAST('pg_catalog.pg_class' AS regclass)
        AND link.classid = CAST('pg_catalog.pg_class' AS regclass)
    JOIN pg_catalog.pg_class AS class ON class.oid = link.objid AND class.relkind = 'S'
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
)
SELECT DISTINCT 'SCHEMA' AS kind, nspname AS schema, '' AS name, 'USAGE' AS privilege
FROM named
WHERE NOT has_schema_privilege(CAST(:role AS oid), namespace, 'USAGE')
UNION ALL
SELECT 'TABLE', nspname, relname, privilege
FROM object CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
WHERE relkind <> 'S' AND NOT has_table_privilege(CAST(:role AS oid), oid, privilege)
UNION ALL
SELECT 'SEQUENCE', nspname, relname, privilege
FROM object CROSS JOIN unnest(ARRAY['USAGE', 'SELECT']) AS privilege
WHERE relkind = 'S' AND NOT has_sequence_privilege(CAST(:role AS oid), oid, privilege)
""")

_Kind = Literal["SCHEMA", "TABLE", "SEQUENCE"]
_KINDS: Final[Sequence[_Kind]] = ("SCHEMA", "TABLE", "SEQUENCE")
_PRIVILEGES: Final = ("USAGE", "SELECT", "INSERT", "UPDATE", "DELETE")

_Object = tuple[str | None, str]  # schema, or None for the default one, and name


class _Right(NamedTuple):
    """One right on one object."""

    kind: _Kind
    schema: str
    name: str
    privilege: str


class GrantRefused(MigrationError, code="db.E790"):
    """The role that migrates cannot grant rights on an object, because another role owns the object.

    Why: the object was created by hand, and not by the role that migrates.

    To do: execute the statement of the message as the owner of the object. Or give the object to the role that migrates
    (`ALTER TABLE name OWNER TO role`).
    """

    def __init__(self, grants: Sequence[Grant], database: str, reason: str) -> None:
        self.grants, self.reason = tuple(grants), reason
        super().__init__(
            f"this role may not grant the application's role its rights on {shorten([each.object for each in grants])}",
            Hint("Execute this as the owner of the object", f"{grants[0].sql};"),
            Hint("Look again", "inv db.status"),
            details={"database": database, "reason": reason},
            state="The rights were not granted.",
        )


@dataclass(frozen=True)
class Grant:
    """Rights that a role lacks on one object.

    Args:
        privileges: the missing rights, such as `SELECT`.
        kind: the kind of the object: `SCHEMA`, `TABLE` or `SEQUENCE`.
        schema: the schema of the object. If the object is a schema, this is its name.
        name: the name of the object; empty for a schema.
        role: the role that lacks the rights.
    """

    privileges: tuple[str, ...]
    kind: _Kind
    schema: str
    name: str
    role: str

    @property
    def object(self) -> str:
        """The kind and the name of the object, for messages."""
        return f"{self.kind.lower()} {self.name or self.schema}"

    @property
    def rights(self) -> list[_Right]:
        """The missing rights, as one entry for each right."""
        return [_Right(self.kind, self.schema, self.name, each) for each in self.privileges]

    @property
    def sql(self) -> str:
        """The statement that grants the missing rights."""
        path = ".".join(quote(each) for each in (self.schema, self.name) if each)
        return f"GRANT {', '.join(self.privileges)} ON {self.kind} {path} TO {quote(self.role)}"


def lacking(project: Project, db: DbConfig, connection: Connection) -> list[Grant]:
    """Return the rights that the application's role lacks; empty if the application has no separate role.

    Args:
        project: the project, for its models and its version table.
        db: the configuration, for the role.
        connection: a connection to the database, with any role.

    Raises:
        RoleMissing: the server has no such role.
    """
    role = db.role_to_grant
    if not role or not project.has_metadata:
        return []
    return missing_grants(connection, project.metadata(), role, project.version_table)


def missing_grants(
    connection: Connection, metadata: MetaData, role: str, version_table: VersionTable = _DEFAULT
) -> list[Grant]:
    """Return the rights that a role lacks on the existing objects of our history. Nothing is locked or changed.

    Args:
        connection: a connection to the database, with any role.
        metadata: the metadata of the models.
        role: the application's role.
        version_table: the version table, on which the application needs only the right to read.

    Returns:
        The missing rights, with one entry for each object; empty on SQLite, for a superuser and for the owner.

    Raises:
        RoleMissing: the server has no such role.
    """
    if connection.dialect.name != "postgresql":
        return []
    objects: list[_Object] = [(table.schema, table.name) for table in metadata.tables.values()]
    objects += [(each.schema, each.name) for each in metadata._sequences.values()]  # noqa: SLF001 - no public list
    schema = version_table.schema or None
    reads_only = (schema or connection.dialect.default_schema_name, version_table.name)
    lacking = [
        right
        for right in _lacking(connection, role, [*objects, (schema, version_table.name)])
        if right.privilege == "SELECT" or (right.schema, right.name) != reads_only
    ]
    return [
        Grant(tuple(right.privilege for right in rights), kind, schema, name, role)
        for (kind, schema, name), rights in groupby(sorted(lacking, key=_order), key=lambda right: right[:3])
    ]


def grant(connection: Connection, grants: Sequence[Grant]) -> None:
    """Grant the missing rights of one role, and check that the role has them.

    Raises:
        GrantRefused: the role of the connection is not allowed to grant the rights.
    """
    if not grants:
        return
    database = redact_url(connection.engine.url)
    for each in grants:
        try:
            # No parameters: a % in a name is not a placeholder.
            connection.exec_driver_sql(each.sql, execution_options={"no_parameters": True})
        except DBAPIError as error:
            if sqlstate(error) != NO_RIGHT:
                raise
            raise GrantRefused([each], database, str(error.orig).strip()) from error
    # Without the right to grant, PostgreSQL sometimes only prints a warning.
    lacking = _lacking(connection, grants[0].role, [(each.schema, each.name) for each in grants])
    refused = [each for each in grants if set(each.rights) & set(lacking)]
    if refused:
        raise GrantRefused(refused, database, "the server granted nothing")


def _lacking(connection: Connection, role: str, objects: Sequence[_Object]) -> list[_Right]:
    """Return the rights that a role lacks on these objects, their schemas and the sequences that they own."""
    oid = connection.scalar(text("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = :role"), {"role": role})
    if oid is None:
        raise role_missing(connection.engine.url, role)
    schemas, names = [schema for schema, _ in objects], [name for _, name in objects]
    rows = connection.execute(_LACKING, {"role": oid, "schemas": schemas, "names": names})
    return [_Right(*row) for row in rows]


def _order(right: _Right) -> tuple[int, str, str, int]:
    return _KINDS.index(right.kind), right.schema, right.name, _PRIVILEGES.index(right.privilege)
