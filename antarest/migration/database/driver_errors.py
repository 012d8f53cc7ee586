"""Translates connection errors of psycopg2 and sqlite3 into errors with next steps.

If psycopg2 cannot connect, its error has no SQLSTATE, so this module recognises the cause by the text of the error. An
unknown text becomes `DatabaseUnreachable`, which quotes the text. For example, a server can send its messages in
another language.
"""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from ..errors.base import Hint
from ..errors.facts.database import (
    AccessRefused,
    ConnectionLost,
    DatabaseError,
    DatabaseLocked,
    DatabaseMissing,
    DatabaseReadOnly,
    DatabaseUnreachable,
    DiskFull,
    EndedByServer,
    InvalidParameter,
    NoRoomForLocks,
    NotADatabase,
    RoleMissing,
    TooManyConnections,
)
from ..errors.settings.urls import redact, redact_url, server_name, servers
from .file_locks import holder
from .sessions import catalog_locked

_LOOK = Hint("Look again", "inv db.status")
_CORRECT = Hint("Correct the configuration, and look again", "inv db.status --config=PATH")

# SQLite's primary result codes that are about the file, and not about the SQL.
_FILE_CODES = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    }
)
# The database file was renamed or replaced, or its journal was removed.
_MOVED = frozenset({sqlite3.SQLITE_READONLY_DBMOVED, sqlite3.SQLITE_IOERR_DELETE_NOENT})
_READ_ONLY_STATE = "25006"
_CONNECTION_STATES = "08"  # the class of SQLSTATEs from a pooler that is full, or cannot reach its server
# PostgreSQL's messages about an object that a statement names; the group is the name of the object.
NO_ROLE = re.compile(r'role "([^"]+)" does not exist')
NO_SCHEMA = re.compile(r'schema "([^"]+)" does not exist')
# The SQLSTATEs of a session that was ended: an administrator ended it, or the server stopped or crashed.
_LAST_WORDS = ("57P01", "57P02", "57P03")
# The SQLSTATEs of a session that ended because of a time limit, each with the setting of the limit.
_LIMITS = {
    "57P05": "idle_session_timeout",
    "25P03": "idle_in_transaction_session_timeout",
    "25P04": "transaction_timeout",
}
_DISK_FULL, _OUT_OF_MEMORY = "53100", "53200"
LOCK_TABLE = "max_locks_per_transaction"
"""The setting that limits the locks of all transactions. The server names it in a hint."""

NO_RIGHT = "42501"
"""The SQLSTATE of a statement for which the role lacks a right."""

LOCK_FAILURES = frozenset({"55P03", "40P01"})
"""The SQLSTATEs of a lock that a session could not get in time, and of a deadlock."""


def is_connection_error(error: BaseException) -> bool:
    """Return whether a driver's error is about the connection to the database, and not about the SQL that was run."""
    raised = driver_error(error)
    if isinstance(raised, sqlite3.Error):
        return _sqlite_code(raised) in _FILE_CODES
    if raised is None:
        return False
    # An SQLSTATE means that a server or a pooler answered. Most states are about the statement; these are not.
    if state := sqlstate(raised):
        if state == _OUT_OF_MEMORY:
            return LOCK_TABLE in str(raised)
        return state in {_READ_ONLY_STATE, _DISK_FULL, *_LAST_WORDS, *_LIMITS} or state.startswith(_CONNECTION_STATES)
    kinds = {each.__name__ for each in type(raised).__mro__}
    return bool(kinds & {"OperationalError", "InterfaceError"}) or "invalid connection option" in str(raised)


def is_refusal(error: BaseException) -> bool:
    """Return whether this error, or the error that caused it, is an answer of the database, and not a lost connection.

    If a commit ends with such an answer, nothing was committed. After a lost connection, this is not known.
    """
    raised, cause = driver_error(error), error.__cause__
    if raised is None:
        return cause is not None and is_refusal(cause)
    is_answer = bool(sqlstate(raised)) and not is_connection_error(raised)
    return isinstance(raised, sqlite3.Error) or is_answer or sqlstate(raised) == _DISK_FULL


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error of psycopg2; empty for any other error."""
    return getattr(driver_error(error), "pgcode", None) or ""


def connection_error(error: BaseException, url: URL) -> DatabaseError:
    """Return an error for the user, which explains a driver's error about a connection.

    Args:
        error: the error of the driver, or SQLAlchemy's error around it.
        url: the URL of the connection.
    """
    raised = driver_error(error) or error
    text = str(raised)
    if url.get_backend_name() == "sqlite":
        return _sqlite_error(raised, url)
    known = ((re.search(rf".*(?:{words}).*", text), build) for words, build in _KNOWN)
    line, build = next(((said[0], build) for said, build in known if said), (text, _unreachable))
    is_known = build is not _unreachable
    state = sqlstate(raised)
    if state != _OUT_OF_MEMORY or LOCK_TABLE in text:
        build = _OF_STATES.get(state, build)
    # The known messages have no password in them, and a password could be one of their words, such as "database".
    return build(url, redact(_first_line(line)) if is_known else redact(_first_line(line), url))


def role_missing(url: URL, role: str, reason: str = "") -> RoleMissing:
    """Return the error for a role that the server of this URL does not have."""
    return RoleMissing(
        f"the role {role} does not exist on {server_name(url)}",
        Hint("Create the role", server_command("createuser", url, "--pwprompt", role)),
        _CORRECT,
        database=redact_url(url),
        reason=reason,
    )


def driver_error(error: BaseException) -> BaseException | None:
    """Return the error of psycopg2 or sqlite3, taken out of SQLAlchemy's error if necessary; None for other errors."""
    raised = error.orig if isinstance(error, DBAPIError) else error
    return raised if raised and type(raised).__module__.partition(".")[0] in {"psycopg2", "sqlite3"} else None


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no reason was given")
    line = re.sub(r"^connection to server (at|on socket) .*? failed: ", "", line)
    return re.sub(r"^\w+:  ", "", line)[:200]  # without the severity, such as FATAL, in any language


# ---- PostgreSQL


def _on_server(
    kind: type[DatabaseError], fact: str, *hints: Hint | Callable[[URL], Hint]
) -> Callable[[URL, str], DatabaseError]:
    """Return a function that makes an error from a URL and a reason.

    The function replaces `{server}`, `{role}` and `{database}` in `fact` and in the hints.
    """

    def build(url: URL, reason: str) -> DatabaseError:
        role = f"the role {url.username}" if url.username else "this user"
        message = fact.format(server=server_name(url), role=role, database=url.database)
        known = [hint if isinstance(hint, Hint) else hint(url) for hint in hints]
        return kind(message, *known, database=redact_url(url), reason=reason)

    return build


def _is_up(url: URL) -> Hint:
    return Hint("Is the server up?", server_command("pg_isready", url))


def _by_hand(url: URL) -> Hint:
    role = f"--username={url.username}" if url.username else ""
    return Hint("Try role and password by hand", server_command("psql", url, role, f"--dbname={url.database}"))


def _create_database(url: URL) -> Hint:
    owner = f"--owner={url.username}" if url.username else ""
    return Hint("Create the database", server_command("createdb", url, owner, url.database or ""))


_LOWER = Hint("Try again later, or lower db.pool_size where the application runs", "inv db.status")
_RAISE = Hint(
    "A migration takes two or three of a pooler's connections: raise its pool size, then look", "inv db.status"
)
_unreachable = _on_server(DatabaseUnreachable, "cannot connect to PostgreSQL on {server}", _is_up, _LOOK)
_silent = _on_server(
    DatabaseUnreachable,
    "{server} gave no answer in time: is it down, or does a session hold a lock on a system catalog?",
    lambda url: Hint("Does it accept connections? If so, end that session", server_command("pg_isready", url)),
    _LOOK,
)
_lost = _on_server(ConnectionLost, "the connection to PostgreSQL on {server} was lost", _is_up, _LOOK)
_too_many = _on_server(TooManyConnections, "PostgreSQL on {server} has no connection left", _LOWER)
_pool_is_used_up = _on_server(TooManyConnections, "no connection was free on {server}: is its pool used up?", _RAISE)
_no_answer = _on_server(
    TooManyConnections,
    "{server} gave no answer: is the pool used up, or does a session hold a lock on a system catalog?",
    _RAISE,
)
_refused = _on_server(AccessRefused, "PostgreSQL on {server} does not let {role} in", _by_hand, _CORRECT)
_database_missing = _on_server(
    DatabaseMissing, "the database {database} does not exist on {server}", _create_database, _CORRECT
)
_invalid_parameter = _on_server(
    InvalidParameter, "PostgreSQL cannot be reached with these connection parameters", _CORRECT
)
_read_only = _on_server(
    DatabaseReadOnly, "the database {database} on {server} is read-only; is it a standby?", _CORRECT
)
_no_room_for_locks = _on_server(
    NoRoomForLocks,
    f"PostgreSQL on {{server}} has no room for more locks: {LOCK_TABLE} is too small",
    Hint(f"Raise {LOCK_TABLE} in postgresql.conf, restart the server, and look again", "inv db.status"),
)
_ROOM = Hint("Make room on that disk, and look again", "inv db.status")
_disk_full = _on_server(DiskFull, "a disk of PostgreSQL on {server} is full", _ROOM)


def _ended_by(limit: str) -> Callable[[URL, str], DatabaseError]:
    def raise_it(url: URL) -> Hint:
        whose = f'ROLE "{url.username}"' if url.username else "ROLE CURRENT_USER"
        statement = f"--command=ALTER {whose} SET {limit} = 0"
        return Hint("Switch the limit off for this role", server_command("psql", url, statement))

    message = f"PostgreSQL on {{server}} ended the session because of its {limit}"
    return _on_server(EndedByServer, message, raise_it, _LOOK)


def server_command(program: str, url: URL, *arguments: str) -> str:
    """Return the command line of a PostgreSQL program for the server of a URL."""
    hosts, ports = [",".join(each) for each in zip(*servers(url), strict=True)] or ("", "")
    server = [f"--host={hosts}" if hosts else "", f"--port={ports}" if ports.strip(",") else ""]
    return shlex.join([each for each in (program, *server, *arguments) if each])


_OF_STATES = {
    _READ_ONLY_STATE: _read_only,
    _DISK_FULL: _disk_full,
    _OUT_OF_MEMORY: _no_room_for_locks,
    **{state: _ended_by(limit) for state, limit in _LIMITS.items()},
}

# Patterns of messages of libpq and of the server, each with the error that it means. The first match decides. If a
# host has several addresses, libpq reports each, so any line can match.
_KNOWN: Sequence[tuple[str, Callable[[URL, str], DatabaseError]]] = (
    (r'database ".*" does not exist', _database_missing),
    (r'role ".*" does not exist', lambda url, reason: role_missing(url, url.username or reason.split('"')[1], reason)),
    (r"too many (clients|connections)|connection slots are reserved|no more connections allowed", _too_many),
    (r"query_wait_timeout", _pool_is_used_up),  # of PgBouncer
    (r"timeout expired", _silent),
    (r"^no answer within", _no_answer),  # of driver_connections.py
    (r"authentication failed|no password supplied|no pg_hba\.conf entry|pg_hba\.conf rejects", _refused),
    (r"not permitted to log in|permission denied for database", _refused),
    (r"invalid connection option|invalid \S+ value|invalid port number", _invalid_parameter),
    (r"unsupported startup parameter|unrecognized configuration parameter", _invalid_parameter),
    (r"due to idle-session timeout", _ended_by("idle_session_timeout")),
    (r"terminating connection|(?<!failed: )server closed the connection|connection (has been|already) closed", _lost),
    (r"(?<!failed: )could not (receive|send) |(?<!failed: )SSL SYSCALL|connection not open", _lost),
    (r"server does not support SSL|certificate|definition of service|service file", _invalid_parameter),
)


# ---- SQLite


def _sqlite_code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF  # the extended codes refine the lowest byte


def _sqlite_error(raised: BaseException, url: URL) -> DatabaseError:
    file, code, reason = str(url.database), _sqlite_code(raised), _first_line(str(raised))
    kind: type[DatabaseError] = DatabaseUnreachable
    message, hint = f"the SQLite file cannot be used: {file}", _LOOK
    missing = _why_not_opened(file) if code == sqlite3.SQLITE_CANTOPEN else ""
    if missing:
        kind, message = DatabaseMissing, missing
        hint = Hint("Name a file in a folder that exists, and look again", "inv db.status --config=PATH")
    elif code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        kind, message = DatabaseLocked, f"another process is writing to the SQLite file {file}"
        hint = Hint("Wait for it, or wait longer with db.busy_timeout in the configuration", "inv db.status")
    elif code == sqlite3.SQLITE_NOTADB:
        kind, message = NotADatabase, f"the file is not an SQLite database: {file}"
        hint = Hint("Name another file in the configuration, and look again", "inv db.status --config=PATH")
    elif code == sqlite3.SQLITE_CORRUPT:
        kind, message = NotADatabase, f"the SQLite database is damaged: {file}"
        hint = Hint("See what is left of it", shlex.join(["sqlite3", file, "PRAGMA integrity_check"]))
    elif code == sqlite3.SQLITE_FULL:
        kind, message, hint = DiskFull, f"the disk of the SQLite file is full: {file}", _ROOM
    elif getattr(raised, "sqlite_errorcode", 0) in _MOVED:
        kind, message = DatabaseLocked, f"the SQLite file was replaced or deleted while the command used it: {file}"
        hint = Hint("Run the command again, on the file that is there now; look first", "inv db.status")
    elif code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        done = "opened" if code == sqlite3.SQLITE_CANTOPEN else "written"
        kind, message = DatabaseReadOnly, f"the SQLite file cannot be {done} by this user: {file}"
        hint = Hint("Who may write the file and its folder?", shlex.join(["ls", "-ld", str(_folder(file)), file]))
    refused = kind(message, hint, database=redact_url(url), reason=reason)
    if kind is DatabaseLocked and (found := holder(file)):
        refused.details["held by"] = found
    return refused


def _folder(file: str) -> Path:
    return Path(os.path.realpath(file)).parent


def _why_not_opened(file: str) -> str:
    """Return what is wrong with a path that SQLite cannot open. Empty if only a permission is missing.

    The function only calls `stat`. If it opened and closed the file, sqlite3 would lose the locks that it holds on the
    file in this process.
    """
    folder = _folder(file)
    try:
        if Path(file).is_dir():
            return f"{file} is a folder, and not an SQLite file"
        folder.stat()
    except PermissionError:
        return ""
    except OSError:
        return f"the folder of the SQLite file does not exist: {folder}"
    return "" if folder.is_dir() else f"{folder} is a file, and not the folder of the SQLite file"


@contextmanager
def translate_errors(url: URL) -> Iterator[None]:
    """In the block, translate the driver's errors about the connection into errors for a user.

    Other errors pass unchanged: our own, and those about the SQL that was run.
    """
    try:
        yield
    except Exception as error:
        if not is_connection_error(error):
            raise
        raise catalog_locked(error, url) or connection_error(error, url) from error
