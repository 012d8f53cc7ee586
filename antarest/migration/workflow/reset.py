"""Resets a database: drops the objects of the history, and no other objects."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Connection, text

from ..database.catalog import Tables, measure, read_tables
from ..database.driver_errors import sqlstate
from ..database.record import type_of_ids
from ..database.waits import Tell
from ..errors.base import Hint
from ..errors.facts.refusal import ResetBlocked, ResetNotConfirmed, ResetRefused
from ..errors.facts.run import ScratchRunFailed
from ..errors.settings.urls import redact_url
from ..errors.text import count
from ..project.project import Project
from ..schema.objects import DatabaseObject, ObjectKey, read_objects
from ..scratch.migrated import objects_of_history

_BEFORE_TABLES = frozenset({"event trigger", "materialized view", "view"})
_MAY_STAY = frozenset({"extension", "foreign-data wrapper", "schema", "server"})  # if other objects use them
_HAS_DEPENDENTS = "2BP01"
_DEPENDS = " depends on "


@dataclass(frozen=True)
class ResetPlan:
    """The objects that a reset is going to drop.

    Attributes:
        database: the URL of the database, redacted.
        rows: the number of rows of each table that is dropped, partitions included; None if this role cannot see all
            rows.
        others: for each kind of other objects, such as `view`, the number of objects that are dropped.
        along: the objects that are dropped with the tables although the history did not create them, such as `trigger
            audit on study`.
        made: every object that the history creates at some revision.
    """

    database: str
    rows: Mapping[str, int | None]
    others: Mapping[str, int] = field(default_factory=dict)
    along: tuple[str, ...] = ()
    made: frozenset[ObjectKey] = frozenset()

    @property
    def loses(self) -> bool:
        """Whether rows are lost, as far as this role can see."""
        return any(number != 0 for number in self.rows.values())

    @property
    def amount(self) -> str:
        """The number of lost rows as text, such as `12 rows`."""
        known, hidden = sum(number or 0 for number in self.rows.values()), None in self.rows.values()
        return " and ".join(
            ([count(known, "row")] if known or not hidden else []) + (["an unknown number of rows"] if hidden else [])
        )

    @property
    def filled(self) -> dict[str, int | None]:
        """The tables that have rows, or may have rows that this role cannot see."""
        return {table: number for table, number in self.rows.items() if number != 0}


def plan_reset(project: Project, connection: Connection, note: Tell) -> ResetPlan:
    """Find the objects of the database that the history creates at any revision, and count their rows.

    Args:
        project: the Alembic project.
        connection: a connection to read the database.
        note: called with a line before a scratch database is made on the server of the database.

    Raises:
        MultipleHeads: there are several heads that are not meant to stay.
        NoPostgres, ScratchRunFailed: the history cannot be run anywhere, so its objects are not known.
    """
    _ = project.history.ends  # This raises MultipleHeads.
    try:
        made = objects_of_history(project, connection, note)
    except ScratchRunFailed as error:
        error.hints = (Hint("Fix it, then reset again", "inv db.reset"),)
        raise
    # Alembic rebuilds a table under such a name. A killed run without a transaction leaves that table behind.
    made |= {ObjectKey("table", f"_alembic_tmp_{name}"[:50]) for kind, name in made if kind == "table"}
    return _plan(_Found.read(project, connection, frozenset(made)), connection)


def _plan(found: _Found, connection: Connection) -> ResetPlan:
    return ResetPlan(
        database=redact_url(connection.engine.url),
        rows=found.count_rows(connection),
        others=Counter(each.key.kind for each in found.dropped if each.key.kind != "table"),
        along=tuple(sorted(" ".join(each.key) for each in found.along)),
        made=found.made,
    )


def drop_objects(project: Project, connection: Connection, plan: ResetPlan, *, everything: bool) -> None:
    """Drop the objects of the history, and delete the record of the revision.

    This runs in the caller's transaction. On PostgreSQL, no object is dropped with CASCADE. If an object of somebody
    else depends on an object of the history, the function fails, and so does the whole transaction.

    Args:
        project: the Alembic project.
        connection: the connection with the transaction.
        plan: the plan to which somebody has agreed.
        everything: whether this person agreed to lose all rows, and not only as many as the plan shows.

    Raises:
        ResetNotConfirmed: there are now more rows than in the plan.
        ResetBlocked: objects of others depend on objects of the history.
    """
    found = _Found.read(project, connection, plan.made)
    if connection.dialect.name == "postgresql":
        _lock([each for each in found.dropped if each.key.kind == "table"], connection)
        found = _Found.read(project, connection, plan.made)
    now = _plan(found, connection)
    if not everything and not all(_is_agreed(number, plan.rows.get(table, 0)) for table, number in now.rows.items()):
        raise ResetNotConfirmed(now.database, now.amount, len(now.filled), agreed=plan.amount)
    _drop(found.dropped, connection)
    _drop_record(project, connection)


def _drop_record(project: Project, connection: Connection) -> None:
    """Drop the version table and the table of the record. On PostgreSQL, create an empty version table again."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    place = project.version_table
    table, record = (".".join(map(quote, filter(None, (place.schema, name)))) for name in (place.name, place.history))
    kind = type_of_ids(connection, table)
    for name in (table, record):
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    if kind:
        primary_key = f"CONSTRAINT {quote(f'{place.name}_pkc')} PRIMARY KEY"
        connection.execute(text(f"CREATE TABLE {table} (version_num {kind} NOT NULL {primary_key})"))


def _is_agreed(now: int | None, shown: int | None) -> bool:
    return shown is None or (now is not None and now <= shown)


@dataclass(frozen=True)
class _Found:
    """The objects of a database that a reset drops.

    Attributes:
        made: every object that the history creates.
        dropped: the objects in `made` that the database has. Objects that are dropped with their table are left out.
        tables: the tables with rows, including partitions that the history did not create.
        along: the other objects that are dropped with one of these tables although the history did not create them.
    """

    made: frozenset[ObjectKey]
    dropped: list[DatabaseObject]
    tables: Tables
    along: list[DatabaseObject]

    @classmethod
    def read(cls, project: Project, connection: Connection, made: frozenset[ObjectKey]) -> _Found:
        present = read_objects(connection, exclude=project.workflow_tables)
        gone = {each.identity for each in present if each.key in made}
        while new := {each.identity for each in present if each.owner in gone} - gone:
            gone |= new
        tables = read_tables(connection, exclude=project.workflow_tables)
        is_shadow = (
            {each.identity for each in present if each.owner is not None}
            if connection.dialect.name == "sqlite"
            else set()
        )
        along = [each for each in present if each.owner in gone and each.key not in made]
        return cls(
            made,
            [each for each in present if each.key in made and each.owner not in gone],
            {name: table for name, table in tables.items() if table.identity in gone - is_shadow},
            [each for each in along if each.key.kind != "table"],
        )

    def count_rows(self, connection: Connection) -> dict[str, int | None]:
        """Return the number of rows of each table; None if this role cannot see all of them."""
        return {
            name: measure(connection, table).rows if table.readable else None
            for name, table in sorted(self.tables.items())
        }


def _lock(tables: list[DatabaseObject], connection: Connection) -> None:
    """Lock tables of PostgreSQL and their partitions, so that their rows can be counted.

    The function waits only for the first lock, because a wait while another lock is held can end in a deadlock.
    """
    for names, wait in ((tables[:1], ""), (tables[1:], " NOWAIT")):
        if names:
            _execute(connection, f"LOCK TABLE {', '.join(each.sql for each in names)} IN ACCESS EXCLUSIVE MODE{wait}")


def _drop(objects: list[DatabaseObject], connection: Connection) -> None:
    """Drop objects in an order that the engine permits: an object on which others depend is dropped after the others.

    A schema or an extension that others use is not dropped.
    """
    tables = [each.sql for each in objects if each.key.kind == "table"]
    groups = [tables] if connection.dialect.name == "postgresql" else [[table] for table in tables]  # for circular keys
    left = [(each.key.kind, each.sql) for each in objects if each.key.kind != "table"]
    left += [("table", ", ".join(group)) for group in groups if group]
    left.sort(key=lambda each: (each[0] not in _BEFORE_TABLES, each[0] != "table", each))
    while left:
        blocked: list[tuple[str, str]] = []
        reasons: list[Exception] = []
        for kind, names in left:
            savepoint = connection.begin_nested()
            try:
                _execute(connection, f"DROP {kind.upper().replace('-', ' ')} IF EXISTS {names}")
                savepoint.commit()
            except Exception as error:
                savepoint.rollback()
                blocked.append((kind, names))
                reasons += [error] if kind not in _MAY_STAY else []
                if kind not in _MAY_STAY and sqlstate(error) != _HAS_DEPENDENTS:
                    raise
        if len(blocked) == len(left):
            if reasons:
                own = {" ".join(each.key) for each in objects}
                database = redact_url(connection.engine.url)
                raise ResetBlocked(_dependents(reasons, own), database) from reasons[0]
            return
        left = blocked


def _dependents(reasons: Iterable[Any], own: Collection[str]) -> list[str]:
    """Return the lines about dependent objects in PostgreSQL's errors, without lines about the objects of the reset."""
    lines = [line for each in reasons for line in (each.diag.message_detail or "").splitlines()]
    theirs = [line for line in lines if line.partition(_DEPENDS)[0] not in own]
    return list(dict.fromkeys(theirs or lines)) or [str(each).partition("\n")[0] for each in reasons]


def _execute(connection: Connection, statement: str) -> None:
    """Execute a statement unchanged. SQLAlchemy would read a ":" or "%" in a name as a parameter."""
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(statement)


def refuse_production(environment: str, url: URL, verb: str) -> None:
    """Refuse a database that others seem to use.

    Args:
        environment: the environment that the configuration names.
        url: the URL of the database.
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
        url: the URL of the database.
        verb: the refused action.

    Raises:
        ResetRefused: an address of the server is neither loopback nor a socket, or a service file names the server.
    """
    if url.get_backend_name() != "postgresql":
        return
    if _parameters(url, "service") or _environment("PGSERVICE"):
        raise ResetRefused("its server is named by a service, not by the URL", redact_url(url), verb)
    for host in _hosts(url):
        if not host.startswith(("/", "@")) and not _is_loopback(host):
            raise ResetRefused(f"its server {host} is not on this host", redact_url(url), verb)


def _hosts(url: URL) -> list[str]:
    """Return every name and address to which libpq may connect, from the URL and from libpq's environment variables."""
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
