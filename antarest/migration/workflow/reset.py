"""A reset: it drops the objects of the history, and nothing else in the database."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass

from sqlalchemy import URL, Connection, Enum, text

from ..database.catalog import count_rows, read_catalog
from ..errors.facts.refusal import ResetRefused
from ..errors.settings.urls import redact_url
from ..project.project import Project
from ..scratch.migrated import tables_of_history


@dataclass(frozen=True)
class ResetPlan:
    """The objects that a reset is going to drop.

    Attributes:
        database: its URL, redacted.
        rows: the tables of the history that the database has, each with its rows.
    """

    database: str
    rows: dict[str, int]

    @property
    def total(self) -> int:
        """All rows that would be lost."""
        return sum(self.rows.values())


def plan_reset(project: Project, connection: Connection) -> ResetPlan:
    """Find which tables of the history the database has, at whatever revision it is."""
    present = read_catalog(connection, exclude=project.workflow_tables)
    ours = tables_of_history(project)
    # Alembic rebuilds a table under such a name. A killed run without a transaction leaves that table behind.
    ours |= {f"_alembic_tmp_{table}"[:50] for table in ours}
    return ResetPlan(redact_url(connection.engine.url), count_rows(connection, ours & present.keys()))


def drop_objects(project: Project, connection: Connection, tables: list[str]) -> None:
    """Drop these tables with the types and sequences that nobody else uses, and forget the revision.

    It runs in the caller's transaction. On PostgreSQL it fails, and with it the whole transaction, when somebody else's
    view or foreign key depends on one of the tables: nothing is dropped by a cascade.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    postgresql = connection.dialect.name == "postgresql"
    candidates = _candidates(project, connection, tables) if postgresql else {}
    if postgresql and tables:
        connection.execute(text(f"DROP TABLE {', '.join(quote(table) for table in tables)}"))
    elif tables:
        for table in tables:
            connection.execute(text(f"DROP TABLE {quote(table)}"))
    for kind, names in candidates.items():
        for name in connection.execute(text(_UNUSED[kind]), {"names": sorted(names)}).scalars().all():
            connection.execute(text(f"DROP {kind} {quote(name)}"))
    place = project.version_table
    for name in (place.name, place.history):
        connection.execute(text(f"DROP TABLE IF EXISTS {'.'.join(map(quote, filter(None, (place.schema, name))))}"))


def refuse_production(environment: str, url: URL, verb: str) -> None:
    """Refuse a database that looks like one that others use.

    Args:
        environment: the environment that the configuration names.
        url: the database.
        verb: the refused action.

    Raises:
        ResetRefused: the configuration says production, or the server is not on this host.
    """
    if environment == "production":
        raise ResetRefused("its configuration says environment: production", redact_url(url), verb)
    require_local(url, verb)


def require_local(url: URL, verb: str = "reset") -> None:
    """Refuse a PostgreSQL server that is not on this host.

    Args:
        url: the database.
        verb: the refused action.

    Raises:
        ResetRefused: an address of the server is neither loopback nor a socket, or a service file names the server.
    """
    if url.get_backend_name() != "postgresql":
        return
    if service := [*_parameters(url, "service"), *_environment("PGSERVICE")]:
        raise ResetRefused(f"its server is named by the service {service[0]}, not by the URL", redact_url(url), verb)
    for host in _hosts(url):
        if not host.startswith(("/", "@")) and not _is_loopback(host):
            raise ResetRefused(f"its server {host} is not on this host", redact_url(url), verb)


def _hosts(url: URL) -> list[str]:
    """Every name and address that libpq may connect to, from the URL and from the environment variables of libpq."""
    names = [url.host or "", *_parameters(url, "host")]
    names = names if any(names) else _environment("PGHOST")
    addresses = _parameters(url, "hostaddr") or _environment("PGHOSTADDR")
    hosts = [host for listed in (*names, *addresses) for host in listed.split(",") if host]
    return [host.partition(":")[0] if host.count(":") == 1 else host for host in hosts]


def _parameters(url: URL, name: str) -> list[str]:
    value = url.query.get(name, ())
    return [value] if isinstance(value, str) else list(value)


def _environment(name: str) -> list[str]:
    value = os.environ.get(name)
    return [value] if value else []


def _is_loopback(host: str) -> bool:
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(addresses) and all(ipaddress.ip_address(str(a).partition("%")[0]).is_loopback for a in addresses)


_HERE = "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema())"
_USED_TYPES = f"""
    SELECT DISTINCT t.typname FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_attribute a ON a.atttypid = t.oid AND NOT a.attisdropped
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    WHERE t.typtype = 'e' AND c.relname = ANY (:tables) AND c.relnamespace = {_HERE}
"""
_USED_SEQUENCES = f"""
    SELECT DISTINCT s.relname FROM pg_catalog.pg_attrdef d
    JOIN pg_catalog.pg_class c ON c.oid = d.adrelid
    JOIN pg_catalog.pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
    JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND p.refclassid = 'pg_class'::regclass AND s.relkind = 'S'
    WHERE c.relname = ANY (:tables) AND c.relnamespace = {_HERE}
"""
_UNUSED = {
    "TYPE": f"""
        SELECT t.typname FROM pg_catalog.pg_type t
        WHERE t.typtype = 'e' AND t.typname = ANY (:names) AND t.typnamespace = {_HERE} AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_attribute a WHERE a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped)
    """,
    "SEQUENCE": f"""
        SELECT s.relname FROM pg_catalog.pg_class s
        WHERE s.relkind = 'S' AND s.relname = ANY (:names) AND s.relnamespace = {_HERE} AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend p WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = s.oid)
    """,
}


def _candidates(project: Project, connection: Connection, tables: list[str]) -> dict[str, set[str]]:
    """The enum types and sequences that these tables use, and those that the models name."""
    types = set(connection.execute(text(_USED_TYPES), {"tables": tables}).scalars())
    sequences = set(connection.execute(text(_USED_SEQUENCES), {"tables": tables}).scalars())
    if project.has_metadata:
        metadata = project.metadata()
        columns = [column for table in metadata.tables.values() for column in table.columns]
        types |= {column.type.name for column in columns if isinstance(column.type, Enum) and column.type.name}
        sequences |= {sequence.name for sequence in metadata._sequences.values()}  # noqa: SLF001 - there is no public way
    return {"TYPE": types, "SEQUENCE": sequences}
