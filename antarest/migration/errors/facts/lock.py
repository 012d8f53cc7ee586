"""Codes `db.E4xx`: what somebody else held for longer than the run waited. Trying again can help: exit code 4."""

from __future__ import annotations

from ..base import NOTHING_CHANGED, Hint
from .database import DatabaseLocked

LONGER = Hint("Wait longer for it", "inv db.upgrade --lock-timeout=600")
_LOOK = Hint("See where the database is", "inv db.status")


class MigrationLocked(DatabaseLocked):
    """Another run moves the database, and did not end in time.

    Why: two deployments migrate at once, or a killed run's backend is still busy on the server.

    To do: wait, then look with `inv db.status`: mostly the other one did the work. The message says who holds it and
    since when.
    """

    code = "db.E402"

    def __init__(self, holder: str, session: str, since: str, database: str, waited: float) -> None:
        self.session, self.since = session, since
        super().__init__(f"the database is held by {holder}", database=database, hints=[LONGER, _LOOK])
        self.details |= {"held by": session} | ({"since": since} if since else {}) | {"waited": f"{waited:g} s"}


class ThreadLocked(DatabaseLocked):
    """Another thread of this process runs migrations, and did not end in time.

    Why: a program starts two upgrades in threads of its own.

    To do: let one of them do it; the second finds nothing to do afterwards.
    """

    code = "db.E403"

    def __init__(self, database: str, waited: float) -> None:
        super().__init__("another thread of this process is running migrations", database=database, hints=[LONGER])
        self.details |= {"waited": f"{waited:g} s"}


class ObjectLocked(DatabaseLocked):
    """A session holds what a revision has to lock. Each try was rolled back, so that nobody queued behind it.

    Why: a long transaction, a forgotten `psql`, or an autovacuum against wraparound holds the table. The run did not
    queue, so nobody waited behind it.

    To do: end the session that the message names, or wait for it, and run the same command again.
    """

    code = "db.E404"

    def __init__(self, what: str, blockers: str, database: str, *, tries: int, timeout: int, state: str) -> None:
        self.blockers = blockers
        super().__init__(
            f"{what} did not get a lock that it needs, in {tries} tries of {timeout} s",
            database=database,
            state=state,
            hints=[Hint("When that session has ended, run the same command again"), _LOOK],
        )
        self.details |= {"blocked by": blockers or "nobody who was still there to be seen"}


class LockLost(DatabaseLocked):
    """The server has freed the run's own lock, so that another one may have begun: nothing was committed.

    Why: the connection that holds the lock broke: a failover, a restart, a pooler that drops idle connections.

    To do: `inv db.status` shows that nothing was committed; run the command again.
    """

    code = "db.E405"

    def __init__(self, database: str) -> None:
        super().__init__(
            "the run has lost its lock on the database, and so did not commit",
            database=database,
            state=NOTHING_CHANGED,
            hints=[_LOOK],
        )
