"""Codes `db.E4xx`: somebody else held a lock for longer than the run waited. Exit code 4 says: try again."""

from __future__ import annotations

from collections.abc import Sequence

from ..base import NOTHING_CHANGED, SEE_STATUS, Hint
from ..text import count, shorten
from .database import DatabaseLocked

_NOT_SEEN = "a session that was not seen, or has ended since"
LONGER = Hint("To wait longer, run the same command with --lock-timeout=600 (alembic: -x lock-timeout=600).")


class MigrationLocked(DatabaseLocked, code="db.E402"):
    """Another run is migrating the database, and it did not end within the time limit.

    Why: two deployments migrate at once, or the backend of a killed run is still busy on the server.

    To do: wait, and run `inv db.status`: usually the other run has done the work. The message names the session of the
    other run, and the time when the run began.
    """

    def __init__(self, holder: str, session: str, since: str, database: str, waited: float) -> None:
        super().__init__(f"the database is held by {holder}", LONGER, SEE_STATUS, database=database)
        self.details |= {"held by": session} | ({"since": since} if since else {}) | {"waited": f"{waited:g} s"}


class ThreadLocked(DatabaseLocked, code="db.E403"):
    """Another thread of this process is running migrations, and it did not end within the time limit.

    Why: the program upgrades the database in two threads at the same time.

    To do: start the upgrade in one thread only. One upgrade applies all revisions.
    """

    def __init__(self, database: str, waited: float) -> None:
        super().__init__("another thread of this process is running migrations", LONGER, database=database)
        self.details |= {"waited": f"{waited:g} s"}


class ObjectLocked(DatabaseLocked, code="db.E404"):
    """Another session holds a lock on a table that a revision has to lock.

    Why: a long transaction, a forgotten `psql`, or an autovacuum against wraparound holds the lock. The run was tried
    several times. Each try was rolled back when it could not get the lock, so that other sessions did not have to wait
    for the run. A try waits for `db.lock_timeout` seconds, or for the `lock_timeout` that a revision sets itself; the
    message names this time. If the last try ended earlier, because of `NOWAIT` or a deadlock, the message names the
    time that this try took.

    To do: end the session that the message names, or wait for it, and run the same command again.
    """

    def __init__(
        self, what: str, blockers: str, database: str, *, tries: int, time: str, state: str, setter: str = ""
    ) -> None:
        """Name the lock.

        Args:
            what: the revision, or the part of the run, that needs the lock.
            blockers: the session that holds the lock; empty if it is not known.
            database: the URL of the database, redacted.
            tries: how often the run was tried.
            time: a text with the time for which each try waited, or which the last try took.
            state: the state of the database.
            setter: the place where the time is set, such as a revision; empty if the configuration sets it.
        """
        super().__init__(
            f"{what} cannot get a lock that it needs, in {count(tries, 'try', 'tries')}{time}",
            Hint("When that session has ended, run the same command again"),
            SEE_STATUS,
            database=database,
            state=state,
        )
        self.details |= {"blocked by": blockers or _NOT_SEEN} | ({"lock_timeout": setter} if setter else {})


class Overtaken(DatabaseLocked, code="db.E408"):
    """Other sessions changed rows after a revision read them and before it dropped them. Nothing was committed.

    Why: a revision copies or moves rows, and drops their table or column afterwards. Between these two steps, other
    sessions wrote to the table. When the run is tried again, it locks the table before its first statement, so other
    sessions cannot write to the table. `db.lock_retries` limits how often a run is tried again, and this run had
    reached the limit.

    To do: run the command again, with a `db.lock_retries` of at least 1.
    """

    def __init__(self, tables: Sequence[str], database: str, state: str) -> None:
        super().__init__(
            f"other sessions wrote to {shorten(tables)} while the run moved data from there",
            Hint("With db.lock_retries of at least 1, run the same command again"),
            SEE_STATUS,
            database=database,
            state=state,
        )


class LockLost(DatabaseLocked, code="db.E405"):
    """The run lost its lock on the database, and perhaps another run has begun. Nothing was committed.

    Why: the connection that held the lock broke, for example by a failover, a restart, or a pooler that drops idle
    connections.

    To do: run the command again. `inv db.status` shows that nothing was committed.
    """

    def __init__(self, database: str) -> None:
        super().__init__(
            "the run has lost its lock on the database, so it did not commit",
            SEE_STATUS,
            database=database,
            state=NOTHING_CHANGED,
        )


class TableLocked(DatabaseLocked, code="db.E407"):
    """Another session holds a lock on a table that a command has to read.

    Why: `VACUUM FULL`, `LOCK TABLE`, an `ALTER TABLE` that was not committed, or a prepared transaction holds the
    lock. If the table is a system catalog, such as `pg_class`, nobody can use the database. A command that reads waits
    for at most `--lock-timeout` seconds; without this flag, for at most `db.migration_lock_timeout` seconds.

    To do: end the session that the message names, or wait for it, and run the same command again. A prepared
    transaction ends with `COMMIT PREPARED` or `ROLLBACK PREPARED`.
    """

    def __init__(self, table: str, holder: str, database: str, *, waited: float = 0) -> None:
        super().__init__(
            f"cannot get a lock {f'on {table}' if table else 'that it needs'}: another transaction holds it",
            Hint("When that transaction has ended, run the same command again"),
            SEE_STATUS,
            database=database,
        )
        self.details |= {"held by": holder or _NOT_SEEN} | ({"waited": f"{waited:g} s"} if waited else {})
