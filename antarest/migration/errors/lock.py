"""Codes `db.E4xx`: what somebody else held for longer than the run waited. Trying again can help: exit code 4."""

from __future__ import annotations

from antarest.core.errors import NOTHING_CHANGED, DatabaseLocked, Hint

LONGER = Hint("Wait longer for it", "inv db.upgrade --lock-timeout=600")
_LOOK = Hint("See where the database is", "inv db.status")


class MigrationLocked(DatabaseLocked):
    """Another run moves the database, and did not end in time."""

    code = "db.E402"

    def __init__(self, holder: str, session: str, since: str, database: str, waited: float) -> None:
        self.session, self.since = session, since
        super().__init__(f"the database is held by {holder}", database=database, hints=[LONGER, _LOOK])
        self.details |= {"held by": session} | ({"since": since} if since else {}) | {"waited": f"{waited:g} s"}


class ThreadLocked(DatabaseLocked):
    """Another thread of this process runs migrations, and did not end in time."""

    code = "db.E403"

    def __init__(self, database: str, waited: float) -> None:
        super().__init__("another thread of this process is running migrations", database=database, hints=[LONGER])
        self.details |= {"waited": f"{waited:g} s"}


class ObjectLocked(DatabaseLocked):
    """A session holds what a revision has to lock. Each try was rolled back, so that nobody queued behind it."""

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
    """The server has freed the run's own lock, so that another one may have begun: nothing was committed."""

    code = "db.E405"

    def __init__(self, database: str) -> None:
        super().__init__(
            "the run has lost its lock on the database, and so did not commit",
            database=database,
            state=NOTHING_CHANGED,
            hints=[_LOOK],
        )
