"""Creates, renames and drops the databases of a restore on a PostgreSQL server, and ends the sessions of others."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from psycopg2 import errors, sql
from sqlalchemy import Connection, NullPool, create_engine, text

from ..database.connection import APPLICATION_NAME
from ..database.driver_errors import server_command, translate_errors
from ..database.sessions import ServerSession
from ..database.waits import ReadWatch, Tell, limited
from ..errors.base import Hint
from ..errors.facts.backup import DatabaseInUse, RestoreNotAllowed
from ..errors.facts.database import DatabaseError
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url

_LONGEST_NAME = 63  # bytes
# A restore fills a database whose name is the name of the live database, this text, and the time.
RESTORE = "_restore_"
_LENGTH_OF_TIME = len("20260102t030405678z")
_MAINTENANCE = ("postgres", "template1")
# These settings are lists. The server stores their values with the quotes that are needed to set them.
_LISTS: Final = {
    "search_path",
    "temp_tablespaces",
    "session_preload_libraries",
    "local_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
}

_PROPERTIES = text("""
    SELECT to_jsonb(d) AS own, pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding,
           shobj_description(oid, 'pg_database') AS comment,
           (SELECT spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = dattablespace) AS tablespace,
           (SELECT jsonb_agg(jsonb_build_array(r.rolname, s.setting)) FROM pg_catalog.pg_db_role_setting c
            CROSS JOIN unnest(c.setconfig) AS s(setting) LEFT JOIN pg_catalog.pg_roles r ON r.oid = c.setrole
            WHERE c.setdatabase = d.oid) AS settings,
           (SELECT jsonb_agg(jsonb_build_array(r.rolname, a.privilege_type, a.is_grantable))
            FROM aclexplode(d.datacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
            WHERE a.grantee <> d.datdba) AS grants
    FROM pg_catalog.pg_database d WHERE datname = current_database()
""")
_RIGHTS = text("""
    SELECT current_user, r.rolsuper OR r.rolcreatedb, pg_has_role(d.datdba, 'USAGE'), pg_get_userbyid(d.datdba)
    FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
    WHERE r.rolname = current_user AND d.datname = current_database()
""")
_TO_END = 2.0  # seconds
_SESSIONS = text("""
    SELECT pid, application_name, usename, host(client_addr), state FROM pg_catalog.pg_stat_activity
    WHERE datname = :name AND pid <> :own
        AND COALESCE(backend_type, 'client backend') IN ('client backend', 'walsender')
    ORDER BY backend_start, pid
""")


@dataclass(frozen=True)
class Properties:
    """The properties of a database that a dump of its contents does not include.

    Attributes:
        own: the row of the database in `pg_database`. The columns of this row depend on the version of the server.
        owner: the role that owns the database.
        encoding: the name of the encoding, such as `UTF8`.
        comment: the comment on the database; None if it has no comment.
        tablespace: the name of the default tablespace of the database.
        settings: for each setting, the role (None for all roles) and `name=value`; None if there are no settings.
        grants: for each right, the role (None for all roles), the right, and whether the role is allowed to grant it;
            None if there are no rights.
    """

    own: Mapping[str, Any]
    owner: str
    encoding: str
    comment: str | None
    tablespace: str
    settings: Sequence[tuple[str | None, str]] | None
    grants: Sequence[tuple[str | None, str, bool]] | None

    @property
    def name(self) -> str:
        """The name of the database."""
        return str(self.own["datname"])


@dataclass(frozen=True)
class Swap:
    """Two databases that will exchange their names.

    Attributes:
        maintenance: a connection to a third database.
        properties: the properties of the live database.
        new: the name of the new database.
        own: the process id of our own session on the live database.
    """

    maintenance: Connection
    properties: Properties
    new: str
    own: int


def read_properties(connection: Connection) -> Properties:
    """Return the properties of the connected database."""
    return Properties(*connection.execute(_PROPERTIES).one())


def require_rights(connection: Connection, db: DbConfig) -> None:
    """Check that the role has the rights for a restore.

    Raises:
        RestoreNotAllowed: the role is not allowed to create databases, or to rename the restored database.
    """
    role, may_create, is_owner, owner = connection.execute(_RIGHTS).one()
    missing, statements = [], []
    if not may_create:
        missing.append("it may not create databases")
        statements.append(f'ALTER ROLE "{role}" CREATEDB')
    if not is_owner:
        missing.append(f"the database belongs to {owner}")
        statements.append(f'GRANT "{owner}" TO "{role}"')
    if missing:
        hints = [
            Hint("As a superuser", server_command("psql", db.migration_url, f"--command={each}")) for each in statements
        ]
        raise RestoreNotAllowed(missing, role, *hints, database=redact_url(db.migration_url))


@contextmanager
def maintaining(db: DbConfig, live: str, tell: Tell) -> Iterator[Connection]:
    """Connect to another database of the server, because a connected database cannot be renamed.

    The connection commits each statement.

    Args:
        db: the connection settings of the server.
        live: the database that will be renamed.
        tell: called with a line about a lock for which this command waits.
    """
    refused: DatabaseError | None = None
    for name in _MAINTENANCE:
        url = db.migration_url.set(database=name)
        if name == live:
            continue
        engine = create_engine(
            url,
            poolclass=NullPool,
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": db.connect_timeout, "application_name": "antarest-restore"},
        )
        watch = ReadWatch(engine, db, tell)
        try:
            with translate_errors(url):
                connection = engine.connect()
        except DatabaseError as error:
            refused = refused or error
            continue
        with watch.watching(), connection, limited(connection, db):
            yield connection
        return
    if refused:
        raise refused


# ---- databases


def derived_name(name: str, suffix: str) -> str:
    """Return a name with a suffix, shortened to the longest name that the server allows."""
    return name.encode()[: _LONGEST_NAME - len(suffix)].decode(errors="ignore") + suffix


def create(maintenance: Connection, name: str, like: Properties) -> None:
    """Create an empty database with the owner, encoding and locale of another database."""
    own = like.own
    clauses: list[sql.Composable] = [
        sql.SQL("OWNER {} TEMPLATE template0 ENCODING {}").format(
            sql.Identifier(like.owner), sql.Literal(like.encoding)
        ),
        sql.SQL("LC_COLLATE {} LC_CTYPE {}").format(sql.Literal(own["datcollate"]), sql.Literal(own["datctype"])),
    ]
    locale = own.get("datlocale") or own.get("daticulocale")  # the first from version 17, the second before
    if own.get("datlocprovider") == "i":
        clauses.append(sql.SQL("LOCALE_PROVIDER icu ICU_LOCALE {}").format(sql.Literal(locale)))
        if own.get("daticurules"):
            clauses.append(sql.SQL("ICU_RULES {}").format(sql.Literal(own["daticurules"])))
    elif own.get("datlocprovider") == "b":
        clauses.append(sql.SQL("LOCALE_PROVIDER builtin BUILTIN_LOCALE {}").format(sql.Literal(locale)))
    elif "datlocprovider" in own:
        clauses.append(sql.SQL("LOCALE_PROVIDER libc"))
    if like.tablespace != "pg_default":
        clauses.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(like.tablespace)))
    _execute(maintenance, sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), sql.SQL(" ").join(clauses)))


def drop(maintenance: Connection, name: str) -> None:
    """Drop a database that a restore created, if it exists."""
    _execute(maintenance, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_unfinished(maintenance: Connection, live: str) -> None:
    """Drop the databases that killed restores of the live database have left. Keep databases that have sessions."""
    ours = re.compile(
        re.escape(derived_name(live, RESTORE + "t" * _LENGTH_OF_TIME)[:-_LENGTH_OF_TIME]) + r"\d{8}t\d{9}z"
    )
    for name in maintenance.scalars(text("SELECT datname FROM pg_catalog.pg_database")).all():
        if ours.fullmatch(name):
            with suppress(errors.ObjectInUse, errors.InsufficientPrivilege):
                _execute(maintenance, sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def rename(maintenance: Connection, names: Mapping[str, str], properties: Properties) -> bool:
    """Rename databases in one transaction, and set the properties of the live database on the new database.

    Returns:
        Whether the databases were renamed. The server refuses to rename a database to which a session is connected.
    """
    pairs = [(sql.Identifier(old), sql.Identifier(new)) for old, new in names.items()]
    statements: list[sql.Composable] = [sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*pair) for pair in pairs]
    statements += _giving(properties)
    _execute(maintenance, sql.SQL("BEGIN"))
    try:
        for statement in statements:
            _execute(maintenance, statement)
        _execute(maintenance, sql.SQL("COMMIT"))
    except errors.ObjectInUse:
        _execute(maintenance, sql.SQL("ROLLBACK"))
        return False
    except BaseException:
        with suppress(errors.Error):
            _execute(maintenance, sql.SQL("ROLLBACK"))
        raise
    return True


def _giving(properties: Properties) -> Iterator[sql.Composable]:
    name = sql.Identifier(properties.name)
    yield sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(properties.comment))
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(properties.own["datconnlimit"]))
    for role, setting in properties.settings or ():
        key, _, value = setting.partition("=")
        shown = sql.SQL(value) if key in _LISTS else sql.Literal(value)
        whose = sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), name) if role else None
        whose = whose or sql.SQL("DATABASE {}").format(name)
        yield sql.SQL("ALTER {} SET {} TO {}").format(whose, sql.Identifier(*key.split(".")), shown)
    if properties.own["datacl"] is None:  # The database has the default rights.
        return
    yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name)
    for grantee, privilege, is_grantable in properties.grants or ():
        to = sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC")
        option = sql.SQL(" WITH GRANT OPTION" if is_grantable else "")
        yield sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(sql.SQL(privilege), name, to, option)


# ---- sessions


def sessions(maintenance: Connection, name: str, own: int = 0) -> list[ServerSession]:
    """Return the sessions on a database, without our session with the process id `own`.

    A session ends shortly after its connection is closed. So the function waits until our idle sessions have ended.
    """
    end = time.monotonic() + _TO_END
    while True:
        found = [ServerSession(*row) for row in maintenance.execute(_SESSIONS, {"name": name, "own": own})]
        is_ending = any(each.application == APPLICATION_NAME and each.state == "idle" for each in found)
        if not is_ending or time.monotonic() > end:
            return found
        time.sleep(0.05)


def require_alone(maintenance: Connection, db: DbConfig, name: str) -> None:
    """Check that nobody is connected to a database.

    Raises:
        DatabaseInUse: a session is connected to the database.
    """
    if sessions(maintenance, name):
        raise in_use(maintenance, db, name)


def in_use(maintenance: Connection, db: DbConfig, name: str) -> DatabaseInUse:
    """Return the error that names the sessions that are connected to a database."""
    found = [each.described for each in sessions(maintenance, name)]
    hint = Hint("Stop the application, or end the sessions", "inv db.restore --end-sessions")
    return DatabaseInUse(found, hint, database=redact_url(db.migration_url))


def end_sessions(maintenance: Connection, db: DbConfig, name: str) -> None:
    """End all sessions that are connected to a database.

    Raises:
        RestoreNotAllowed: the role is not allowed to end one of the sessions.
    """
    for session in sessions(maintenance, name):
        try:
            _execute(maintenance, sql.SQL("SELECT pg_terminate_backend({})").format(sql.Literal(session.pid)))
        except errors.InsufficientPrivilege as error:
            role = str(maintenance.scalar(text("SELECT current_user")))
            grant = server_command("psql", db.migration_url, f'--command=GRANT pg_signal_backend TO "{role}"')
            raise RestoreNotAllowed(
                [f"it may not end the session {session.described}"],
                role,
                Hint("As a superuser", grant),
                database=redact_url(db.migration_url),
            ) from error


def _execute(connection: Connection, statement: sql.Composable) -> None:
    # The driver executes the statement, since SQLAlchemy would look for parameters in the names.
    driver: Any = connection.connection.dbapi_connection
    with driver.cursor() as cursor:
        cursor.execute(statement)
