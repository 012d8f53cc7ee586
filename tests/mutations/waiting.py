"""The waits that `docs/reliability.md` limits: patches that break it, and the tests that must notice."""

from __future__ import annotations

from tests.mutations.patch import Patch

_DATABASE, _LOCK, _RUN = (f"antarest/migration/{folder}" for folder in ("database", "database/lock", "run"))
_TESTS = "integration"
_HELD = f"{_TESTS}/run/test_held.py"

NOBODY_IS_KEPT_WAITING = (
    Patch(
        "Nobody is kept waiting: a run waits for a table with another one in hand",
        f"{_DATABASE}/lock/tables.py",
        "_ROUND = 0.8",
        "_ROUND = 800.0",
        [f"{_TESTS}/losses/test_writers.py::test_no_other_session_is_the_victim_of_a_deadlock[statements0]"],
    ),
    Patch(
        "Nobody is kept waiting: a reader waits for each table as long as for one",
        f"{_DATABASE}/waits.py",
        "self.waited += _EVERY",
        "pass",
        [f"{_HELD}::test_all_waits_of_a_reader_together_have_one_limit[two queries]"],
    ),
    Patch(
        "Nobody is kept waiting: one query waits for each of its tables as long as for one",
        f"{_DATABASE}/waits.py",
        "cursor.execute(_CANCEL, (self.pid,))",
        "pass",
        [f"{_HELD}::test_all_waits_of_a_reader_together_have_one_limit[one query]"],
    ),
    Patch(
        "Nobody is kept waiting: a long count is not noted",
        "antarest/migration/losses/guard.py",
        "> _LONG:",
        "> 600:",
        [f"{_TESTS}/losses/test_writers.py::test_a_note_says_that_others_wait_for_a_long_count"],
    ),
    Patch(
        "Nobody is kept waiting: a run does not try again",
        f"{_RUN}/runner.py",
        "tries = self.request.db.lock_retries + 1",
        "tries = 1",
        [
            f"{_TESTS}/run/test_waiting.py::test_a_lock_that_is_not_to_be_had_is_not_waited_for_without_end[sqlite]",
            f"{_TESTS}/run/test_waiting.py::test_it_is_tried_again_until_it_is_had[postgresql]",
        ],
    ),
    Patch(
        "Nobody is kept waiting: who holds a system catalog is not asked for in another database",
        f"{_DATABASE}/sessions.py",
        'OTHER_DATABASES = ("postgres", "template1")',
        "OTHER_DATABASES = ()",
        [f"{_HELD}::test_who_holds_a_system_catalog_is_named[pg_class]"],
    ),
    Patch(
        "Nobody is kept waiting: the limit that a revision sets is not named",
        f"{_LOCK}/limits.py",
        "if self._connection",
        "if False and self._connection",
        [f"{_TESTS}/run/test_waiting.py::test_the_limit_that_was_in_force_is_named[set local]"],
    ),
    Patch(
        "Nobody is kept waiting: a run waits long for the lock on a table",
        f"{_LOCK}/postgresql.py",
        'f"{self._db.lock_timeout}s"',
        'f"{35 * self._db.lock_timeout}s"',
        [f"{_TESTS}/run/test_waiting.py::test_readers_are_not_kept_waiting_by_a_run_that_waits"],
    ),
    Patch(
        "Nobody is kept waiting: the lock holds back CREATE INDEX CONCURRENTLY",
        f"{_DATABASE}/connection.py",
        'isolation_level="READ COMMITTED"',
        'isolation_level="REPEATABLE READ"',
        [f"{_TESTS}/database/test_lock.py::test_others_can_build_an_index_concurrently_meanwhile"],
    ),
    Patch(
        "Nobody is kept waiting: a reading session waits longer than it may",
        f"{_DATABASE}/waits.py",
        "self._db, self._seconds = db, float(db.migration_lock_timeout)",
        "self._db, self._seconds = DbConfig(db.url, migration_lock_timeout=8), 8.0",
        [f"{_HELD}::test_a_prepared_transaction_is_named_by_each_command"],
    ),
    Patch(
        "Nobody is kept waiting: pg_dump does not name the holder",
        "antarest/migration/backup/postgresql.py",
        "if not watch.is_blocked:",
        "if watch:",
        [f"{_HELD}::test_a_table_is_counted_and_dumped_only_while_nobody_holds_it"],
    ),
    Patch(
        "Nobody is kept waiting: the limits of a role end work",
        f"{_DATABASE}/waits.py",
        '"statement_timeout": "0", "idle_in',
        '"idle_in',
        [f"{_HELD}::test_work_has_no_limit_and_a_line_says_what_is_read"],
    ),
    Patch(
        "Nobody is kept waiting: the limits of a role end a proof",
        "antarest/migration/verify/clones.py",
        "[*self._limits, *self.settings]",
        "[*self.settings]",
        ["unit/migration/verify/test_clones.py::test_the_time_limits_of_a_role_do_not_apply_in_a_proof"],
    ),
    Patch(
        "Nobody is kept waiting: the first part of a run is not named",
        "antarest/migration/run/before_commit.py",
        "(*_first_part(segment.steps), *error.hints)",
        "error.hints",
        [f"{_HELD}::test_a_run_that_needs_too_many_locks_names_its_first_part"],
    ),
    Patch(
        "Nobody is kept waiting: an index waits without a word",
        f"{_LOCK}/postgresql.py",
        "self._patience.tell, pid=pid",
        "pid=pid",
        [f"{_HELD}::test_an_index_waits_for_older_transactions_and_says_so"],
    ),
)
