"""Codes `db.E3xx` and `db.E4xx`: the database cannot be reached or used, or another session has locked it."""

from __future__ import annotations

from collections.abc import Mapping

from ..base import EXIT_LOCKED, EXIT_UNREACHABLE, EXIT_USAGE, NOTHING_CHANGED, SEE_STATUS, AntarestError, Hint


class DatabaseError(AntarestError, code="db.E300"):
    """The database refused a connection or a statement.

    Args:
        message: what happened, on one line.
        hints: what to do next.
        database: the URL of the database, redacted.
        reason: the message of the driver, redacted.
        details: a mapping from labels to further values, which the message shows.
        state: the state that the database is in now.
    """

    def __init__(
        self,
        message: str,
        *hints: Hint,
        database: str,
        reason: str = "",
        details: Mapping[str, str] | None = None,
        state: str = NOTHING_CHANGED,
    ) -> None:
        self.reason = reason
        named = {"database": database, "reason": reason}
        details = {label: value for label, value in named.items() if value} | dict(details or {})
        super().__init__(message, *hints, details=details, state=state)


class DatabaseUnreachable(DatabaseError, code="db.E301", exit_code=EXIT_UNREACHABLE):
    """The server does not answer; trying again can help.

    Why: the server is starting, restarting or down; the host or the port in `db.url` is wrong; a firewall drops the
    packets; or the name of the host is unknown. If the server accepts connections and gives no answer, a session
    holds a lock on a system catalog of all databases, such as `pg_authid`.

    To do: `pg_isready --host=HOST --port=PORT` says whether the server answers. If the server answers, compare the host
    and port with those that `inv db.status` shows. Exit code 3 says that trying again can help.
    """


class TooManyConnections(DatabaseUnreachable, code="db.E302"):
    """The server has no free connection left.

    Why: all connections that `max_connections` of the server allows are in use. Often the pools of all processes
    together are larger than this limit. If a server gives no answer at all, perhaps the pool of a pooler is used up, or
    a session that this role cannot see holds a lock on a system catalog.

    To do: wait and try again, or stop a process that holds many connections. To prevent the error, lower `db.pool_size`
    and `db.max_overflow`, or use a pooler.
    """


class ConnectionLost(DatabaseUnreachable, code="db.E309"):
    """An open connection to the server was lost.

    Why: the server was restarted or has crashed, another server took over, or `pg_terminate_backend` was called. The
    server itself rolls back what was not committed.

    To do: run the command again when the server answers. The command continues from the current revision, which
    `inv db.status` shows.
    """


class AccessRefused(DatabaseError, code="db.E303", exit_code=EXIT_USAGE):
    """The server refuses the login of this role.

    Why: the password is wrong, `pg_hba.conf` has no line for this host, database and role, or the role has no
    LOGIN or no CONNECT.

    To do: try to connect by hand, with the `psql` command of the message. The server's log has more details than the
    answer to a client.
    """


class RoleMissing(DatabaseError, code="db.E304", exit_code=EXIT_USAGE):
    """The role does not exist on the server.

    Why: the role was never created on this server, or the URL does not name the server that you mean.

    To do: create the role with the `createuser` command of the message, or correct the user in the URL.
    """


class DatabaseMissing(DatabaseError, code="db.E305", exit_code=EXIT_USAGE):
    """The database does not exist on the server, or the folder of the SQLite file does not exist.

    Why: on a new server the database was not created yet. For SQLite, the folder in the path is misspelt: a missing
    file is created, but a missing folder is not.

    To do: create the database with the `createdb` command of the message, or correct the name or the path.
    """


class InvalidParameter(DatabaseError, code="db.E306", exit_code=EXIT_USAGE):
    """The driver cannot work with the parameters of the URL.

    Why: a parameter after `?` in the URL is misspelt, has a wrong value, or asks for something that the server does not
    have (for example, `sslmode=require` without TLS).

    To do: compare the reason in the message with the URL, and correct or remove the parameter.
    """


class RightMissing(DatabaseError, code="db.E313"):
    """The role lacks a right that the command needs.

    Why: the tables belong to another role, and this role has no right on them. Or the command changes tables, which
    only their owner is allowed to do.

    To do: let the owner grant the right that the message names, or use the owner as the user of `db.admin_url`.
    """


class StatementRefused(DatabaseError, code="db.E314"):
    """The database refused a statement of the workflow, or the statement cannot be made for this engine.

    Why: most often the database lacks something that the statement uses, such as a type, a collation or space. The
    message quotes the error of the database.

    To do: remove the cause, and run the command again. `inv db.status` shows the revision of the database.
    """

    def __init__(self, message: str, *, database: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(message, SEE_STATUS, database=database, details=details)


class VersionTableDamaged(DatabaseError, code="db.E312"):
    """The version table has a row that is not the id of a revision.

    Why: somebody wrote into the table by hand, or the file of the database is damaged.

    To do: look at the rows. If you know the revision of the database, record it with `alembic stamp --purge REV`, which
    changes no other table. Otherwise restore a backup.
    """

    def __init__(self, table: str, value: str, database: str) -> None:
        super().__init__(
            f"the table {table} has a row that is not a revision: {value}",
            Hint("List the backups, with their revisions", "inv db.backups"),
            Hint("If you know the revision of the database, record it", "alembic stamp --purge REV"),
            database=database,
        )


class DatabaseReadOnly(DatabaseError, code="db.E307"):
    """This user cannot write to the database, or cannot even read its file.

    Why: on PostgreSQL, the URL names a standby. On SQLite, the disk is mounted read-only, or this user is not allowed
    to write the file or its folder, in which SQLite creates the journal.

    To do: name the primary server in `db.url`. For SQLite, `ls -ld FOLDER FILE` shows who is allowed to write. Commands
    that only read, such as `inv db.status`, still work on a standby.
    """


class NotADatabase(DatabaseError, code="db.E308"):
    """The file is not an SQLite database, or is damaged.

    Why: the path names another file, the file was cut off by a full disk, or the file was copied while somebody wrote
    to it.

    To do: look at the path in the message. If the path is right, keep a copy of the file, read the output of `sqlite3
    FILE 'PRAGMA integrity_check'`, and restore a backup.
    """


class EndedByServer(DatabaseError, code="db.E310"):
    """The server ended a statement or the whole session: a time limit was exceeded, or somebody asked for it.

    Why: the role, the database or the server has a time limit for sessions that wait (`idle_session_timeout`), or
    somebody called `pg_cancel_backend`. The limits for statements and transactions are switched off for the
    transactions of this program, but some statements run outside of a transaction.

    To do: raise or switch off the time limit for the role that migrates, with the command of the message. Then repeat
    the command that failed.
    """


class NoRoomForLocks(DatabaseError, code="db.E311"):
    """The server has no room for the locks that one transaction needs.

    Why: a transaction locks each table and index that it touches, until the transaction ends. The server has room for
    `max_locks_per_transaction` locks for each of its `max_connections`. A run of thousands of revisions needs more
    locks.

    To do: run the revisions in parts, each with its own commit. The message has the command for the first part. Or
    raise `max_locks_per_transaction` in `postgresql.conf`, and restart the server.
    """


class DiskFull(DatabaseError, code="db.E315"):
    """A disk of the server, or the disk of the SQLite file, is full.

    Why: the revisions write rows, indexes, temporary files or a new copy of a table, and the disk has no room for them.
    A large table that a revision rewrites needs its size a second time, until the run is committed.

    To do: make room on the disk that the message names, and run the command again. If the disk of the write-ahead log
    of PostgreSQL is full, the server stops instead (`db.E309`), and cannot start before there is room.
    """


class DatabaseLocked(DatabaseError, code="db.E401", exit_code=EXIT_LOCKED):
    """Another process holds the database; trying again can help.

    Why: another process writes to the SQLite file and did not end within `db.busy_timeout` seconds. The other process
    is, for example, a second upgrade, an application, or a database browser with an open transaction.

    To do: wait until the other process ends, or end it yourself, and try again. Nothing was changed. Exit code 4 says
    that trying again can help.
    """
