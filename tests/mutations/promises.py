"""For each promise of `docs/reliability.md`: a patch that breaks the promise, and the tests that must fail."""

from __future__ import annotations

from tests.mutations.all_or_nothing import ALL_OR_NOTHING
from tests.mutations.nothing_is_lost import NOTHING_IS_LOST
from tests.mutations.patch import Patch
from tests.mutations.snapshot import THE_SNAPSHOT
from tests.mutations.waiting import NOBODY_IS_KEPT_WAITING

_WORKFLOW = "antarest/migration"
_BACKUP, _DATABASE, _LOCK = f"{_WORKFLOW}/backup", f"{_WORKFLOW}/database", f"{_WORKFLOW}/database/lock"
_RUN, _LOSSES = f"{_WORKFLOW}/run", f"{_WORKFLOW}/losses"
_BEHIND_TESTS = "unit/migration/losses/test_loss_behind.py"
_TESTS = "integration"
_OUT_OF_SIGHT = "test_an_attribute_of_a_type_that_is_dropped_out_of_sight_is_an_unknown_number"
_PRIVATE = f"{_TESTS}/database/test_private_files.py"

WITHOUT_PATCH = {
    "pgbouncer/test_lock.py::test_the_lock_is_not_granted_twice": "it needs the Debian package pgbouncer",
}
"""By a test that a promise names: why no patch breaks this promise."""

_BEHIND = (
    Patch(
        "Nothing is lost: a temporary table is counted instead of the table",
        f"{_DATABASE}/catalog.py",
        'sql=f"main.{quote(first[1])}" if',
        "sql=quote(first[1]) if",
        [f"{_BEHIND_TESTS}::test_a_temporary_object_hides_no_loss[sqlite: a table, by deleted rows]"],
    ),
    Patch(
        "Nothing is lost: a temporary table counts as the source of a copy",
        f"{_LOSSES}/tracking/sqlite.py",
        "if name.lower() not in self._temporary",
        "if name",
        [f"{_BEHIND_TESTS}::test_a_temporary_object_hides_no_loss[sqlite: a table that is copied in its place]"],
    ),
    Patch(
        "Nothing is lost: a text of the schema that a revision writes is not read again",
        f"{_LOSSES}/tracking/sqlite.py",
        "is_direct = self._writes_text and self._changes_schema",
        "is_direct = False",
        [f"{_BEHIND_TESTS}::test_a_column_that_is_only_taken_out_of_the_schema_is_lost[sqlite: a column]"],
    ),
    Patch(
        "Nothing is lost: a revision writes to a table behind a virtual table",
        f"{_LOSSES}/tracking/sqlite.py",
        "self._shadows = shadow_tables({name: sql for name, (_, sql) in texts.items()})",
        "pass",
        [f"{_BEHIND_TESTS}::test_a_write_to_the_tables_behind_a_virtual_table_is_refused[sqlite: values]"],
    ),
    Patch(
        "Nothing is lost: the values of moved rows need not arrive",
        f"{_LOSSES}/counts.py",
        "self._moves.values_not_arrived(rest)",
        "()",
        [f"{_BEHIND_TESTS}::test_values_that_moved_rows_leave_behind_are_lost[sqlite: as NULL]"],
    ),
    Patch(
        "Nothing is lost: an attribute is dropped by a block",
        f"{_LOSSES}/tracking/postgresql.py",
        "self._retypes.compare_attributes(self.tables)",
        "pass",
        [f"{_BEHIND_TESTS}::{_OUT_OF_SIGHT}[postgresql: by a function]"],
    ),
    Patch(
        "Nothing is lost: a domain over JSON is no JSON",
        f"{_DATABASE}/catalog.py",
        "CASE WHEN t.typoutput IN ('pg_catalog.json_out'::regproc, 'pg_catalog.jsonb_out'::regproc) THEN 'json'",
        "CASE WHEN t.typname IN ('json', 'jsonb') THEN 'json'",
        [f"{_BEHIND_TESTS}::test_a_domain_and_an_heir_hide_no_loss[postgresql: the null of JSON, in a domain]"],
    ),
)

_ONE_AT_A_TIME = (
    Patch(
        "One at a time: SQLite takes the lock at the first change",
        f"{_LOCK}/sqlite.py",
        'execute("BEGIN IMMEDIATE")',
        'execute("BEGIN")',
        [f"{_TESTS}/database/test_lock.py::test_of_many_that_start_at_once_one_migrates[sqlite]"],
    ),
    Patch(
        "One at a time: several get the lock of PostgreSQL",
        f"{_LOCK}/postgresql.py",
        "pg_try_advisory_xact_lock(:lock",
        "pg_try_advisory_xact_lock_shared(:lock",
        [f"{_TESTS}/database/test_lock.py::test_who_waits_too_long_is_told_who_holds_it[postgresql]"],
    ),
    Patch(
        "One at a time: threads meet in Alembic",
        f"{_WORKFLOW}/project/env_options.py",
        "threading.RLock()",
        "threading.BoundedSemaphore(9)",
        [f"{_TESTS}/database/test_lock.py::test_threads_of_one_process_do_not_meet[sqlite]"],
    ),
    Patch(
        "One at a time: the lock is taken at head",
        f"{_RUN}/runner.py",
        "or plan(current) or request.prepare:",
        "or plan(current) is not None:",
        [f"{_TESTS}/database/test_lock.py::test_at_head_nothing_is_locked[sqlite]"],
    ),
    Patch(
        "One at a time: the error does not say who holds the database",
        f"{_DATABASE}/driver_errors.py",
        "(found := holder(file))",
        "(found := '')",
        [f"{_TESTS}/database/test_lock.py::test_who_waits_too_long_is_told_who_holds_it[sqlite]"],
    ),
    Patch(
        "One at a time: nobody waits for the last statement of a killed run",
        f"{_LOCK}/postgresql.py",
        "self._wait(_TRANSACTION)",
        "break",
        [f"{_TESTS}/database/test_lock.py::test_the_last_statement_of_a_killed_run_keeps_others_out"],
    ),
    Patch(
        "One at a time: a run that has lost its lock commits",
        f"{_RUN}/runner.py",
        "self.writer.check(connection)",
        "pass",
        [f"{_TESTS}/database/test_lock.py::test_a_run_that_lost_its_lock_does_not_commit"],
    ),
)

_BACKUPS = (
    Patch(
        "Backups: a run makes none",
        f"{_RUN}/runner.py",
        "(begins or self.left or request.prepare)",
        "request.prepare",
        [f"{_TESTS}/backup/test_backup.py::test_an_upgrade_and_a_rollback_back_up_first[sqlite]"],
    ),
    Patch(
        "Backups: PostgreSQL is backed up unasked",
        f"{_BACKUP}/__init__.py",
        "else request.db.backup",
        "else True",
        [f"{_TESTS}/backup/test_backup.py::test_postgresql_is_backed_up_when_it_is_asked_for"],
    ),
    Patch(
        "Backups: a dump and its counts are of several moments",
        f"{_BACKUP}/postgresql.py",
        '"REPEATABLE READ"',
        '"READ COMMITTED"',
        [f"{_TESTS}/backup/test_backup.py::test_a_dump_its_revision_and_its_rows_are_of_one_moment"],
    ),
    Patch(
        "Backups: writers wait for the verification",
        f"{_BACKUP}/sqlite.py",
        "            on_copied()\n",
        "",
        [f"{_TESTS}/backup/test_backup.py::test_writers_wait_for_the_copy_and_not_until_it_is_verified"],
    ),
    Patch(
        "Backups: only the first attempt makes one",
        f"{_RUN}/runner.py",
        "if request.before_change and ",
        "if request.before_change and not outcome.backup and ",
        [f"{_TESTS}/database/test_commits.py::test_what_others_write_between_two_tries_is_in_a_backup"],
    ),
    Patch(
        "Backups: a damaged copy is one",
        f"{_BACKUP}/sqlite.py",
        'if found != "ok":',
        "if False:",
        [f"{_TESTS}/backup/test_backup_faults.py::test_a_copy_that_is_not_sound_stops_the_upgrade"],
    ),
    Patch(
        "Backups: a dump without its end is one",
        f"{_BACKUP}/postgresql.py",
        "verify(programs, file)",
        "pass",
        [f"{_TESTS}/backup/test_backup_faults.py::test_a_dump_that_is_not_whole_stops_the_upgrade"],
    ),
    Patch(
        "Backups: what a killed backup has left stays",
        f"{_BACKUP}/files.py",
        "self._tidy()",
        "pass",
        [
            f"{_TESTS}/backup/test_backup_faults.py::test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one[sqlite]"
        ],
    ),
    Patch(
        "Backups: their number has no limit",
        f"{_BACKUP}/files.py",
        "in others[max(",
        "in others[9 + max(",
        [f"{_TESTS}/backup/test_backup.py::test_the_oldest_ones_are_deleted_and_nothing_else[sqlite]"],
    ),
    Patch(
        "Backups: the newest one is deleted",
        f"{_BACKUP}/files.py",
        "in (path, spare) if",
        "in (spare,) if",
        [f"{_TESTS}/backup/test_backup.py::test_the_newest_one_is_kept_when_the_clock_goes_backwards[sqlite]"],
    ),
    Patch(
        "Backups: a restore does not show what it would lose",
        f"{_BACKUP}/restore.py",
        "if now > then}",
        "if now < then}",
        [f"{_TESTS}/backup/test_restore.py::test_the_plan_shows_what_would_be_lost[sqlite]"],
    ),
    Patch(
        "Backups: a restore does not keep what it replaces",
        f"{_BACKUP}/restore_sqlite.py",
        "kept = self._keep(connection, driver)",
        'kept = ""',
        [f"{_TESTS}/backup/test_restore.py::test_a_restore_goes_back_and_keeps_what_it_replaces[sqlite]"],
    ),
    Patch(
        "Backups: a backup that has changed is restored",
        f"{_BACKUP}/restore.py",
        "if backup.digest and digest(backup.path) != backup.digest:",
        "if False:",
        [f"{_TESTS}/backup/test_restore.py::test_a_backup_in_which_only_a_value_was_changed_is_refused"],
    ),
)

_SECRETS_AND_STRANGERS = (
    Patch(
        "Secrets and strangers: an error shows the password",
        f"{_WORKFLOW}/errors/settings/urls.py",
        "text = text.replace(form, _MASK) if len(form) >= _LONG else _alone(form).sub(_MASK, text)",
        "pass",
        [f"{_TESTS}/commands/test_secrets.py::test_where_something_is_wrong[a revision that tells]"],
    ),
    Patch(
        "Secrets and strangers: a URL shows the password",
        f"{_WORKFLOW}/errors/settings/urls.py",
        "hide_password=True",
        "hide_password=False",
        [f"{_TESTS}/commands/test_secrets.py::test_where_something_is_wrong[the database]"],
    ),
    Patch(
        "Secrets and strangers: a URL that cannot be read shows the password",
        f"{_WORKFLOW}/errors/settings/urls.py",
        "UnreadableUrl(_redact_unreadable(text)",
        "UnreadableUrl(text",
        ["unit/migration/errors/test_urls.py::test_a_url_that_cannot_be_understood_is_refused_without_its_password"],
    ),
    Patch(
        "Secrets and strangers: the list of processes shows the password",
        f"{_BACKUP}/programs.py",
        'hidden = {*SECRETS, "hostaddr", *_VARIABLES}',
        'hidden = {"hostaddr"}',
        [f"{_TESTS}/backup/test_backup_programs.py::test_no_other_user_sees_the_password"],
    ),
    Patch(
        "Secrets and strangers: plain Alembic shows the traceback of a revision",
        f"{_WORKFLOW}/environment.py",
        "if is_theirs and redact(shown, *urls) == shown:",
        "if is_theirs:",
        [f"{_TESTS}/commands/test_secrets.py::test_plain_alembic_shows_no_traceback_with_a_password"],
    ),
    Patch(
        "Secrets and strangers: everybody can read the backups",
        f"{_BACKUP}/files.py",
        "os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)",
        "os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)",
        [f"{_PRIVATE}::test_backups_are_their_owners_alone[sqlite]"],
    ),
    Patch(
        "Secrets and strangers: everybody can read the SQLite file",
        f"{_DATABASE}/connection.py",
        "os.O_RDWR, 0o600)",
        "os.O_RDWR, 0o644)",
        [f"{_PRIVATE}::test_the_sqlite_file_that_we_create_is_its_owners_alone[alembic stamp head]"],
    ),
)

PROMISES = (
    *ALL_OR_NOTHING,
    *NOTHING_IS_LOST,
    *_BEHIND,
    *_ONE_AT_A_TIME,
    *NOBODY_IS_KEPT_WAITING,
    *THE_SNAPSHOT,
    *_BACKUPS,
    *_SECRETS_AND_STRANGERS,
)
