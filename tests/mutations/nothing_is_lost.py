"""For each promise in "Nothing is lost" of `docs/reliability.md`: a patch that breaks it, and tests that must fail."""

from __future__ import annotations

from tests.mutations.patch import Patch

_WORKFLOW = "antarest/migration"
_DATABASE, _LOSSES, _RUN = f"{_WORKFLOW}/database", f"{_WORKFLOW}/losses", f"{_WORKFLOW}/run"
_TESTS = "integration"
_UNIT = "unit/migration/losses"
_TYPES = f"{_UNIT}/test_loss_types.py"
_HIDDEN = f"{_UNIT}/test_loss_hidden.py"
_FILLED = "test_values_that_are_filled_do_not_hide_values_that_are_taken"
_OTHER_ROWS = "test_other_rows_of_a_table_that_is_made_again_do_not_arrive"
_WAITS = "test_a_value_that_is_committed_while_an_update_waits_is_counted"
_ARRIVES = "test_only_what_comes_from_the_source_arrives"
_DEFERRED = f"{_TESTS}/run/test_deferred.py"
_RESET = f"{_TESTS}/workflow/test_reset_objects.py"
_SERVERS = "unit/migration/scratch/test_scratch_servers.py"

NOTHING_IS_LOST = (
    Patch(
        "Nothing is lost: a loss needs no declaration",
        f"{_RUN}/before_commit.py",
        "[loss for loss in guard.losses if not loss.declared]",
        "[]",
        [
            f"{_TESTS}/losses/test_loss.py::test_an_upgrade_refuses_what_is_not_declared[{engine}-a table]"
            for engine in ("sqlite", "postgresql")
        ],
    ),
    Patch(
        "Nothing is lost: a table is counted before it is locked",
        f"{_LOSSES}/tracking/postgresql.py",
        "taken = self._locks.take(self._in_the_way(seen, what))",
        "taken = set()",
        [f"{_TESTS}/losses/test_writers.py::test_what_is_committed_while_a_statement_waits_is_counted[an empty table]"],
    ),
    Patch(
        "Nothing is lost: an attribute of a composite type is dropped without a count",
        f"{_LOSSES}/tracking/postgresql.py",
        "self._retypes.count_attributes(statement, self.tables)",
        "pass",
        [f"{_UNIT}/test_loss.py::test_counts_what_is_dropped[postgresql: an attribute of a type]"],
    ),
    Patch(
        "Nothing is lost: others write between a count and the UPDATE that waits for them",
        f"{_LOSSES}/tracking/postgresql.py",
        "self.locked = self._locks.take((), written)",
        "pass",
        [f"{_TESTS}/losses/test_writers_values.py::{_WAITS}[an UPDATE]"],
    ),
    Patch(
        "Nothing is lost: a row that is copied twice counts twice",
        f"{_LOSSES}/copied_rows.py",
        "self._unsure.add((table.identity, old))",
        "pass",
        [f"{_HIDDEN}::test_a_row_that_is_copied_twice_is_copied_once[sqlite: a row twice, by two statements]"],
    ),
    Patch(
        "Nothing is lost: other rows hide the values that a copy has turned into NULL",
        f"{_LOSSES}/counts.py",
        "_most(values.lost, emptied, moved, kept.get(name, 0))",
        "values.lost",
        [f"{_HIDDEN}::test_other_rows_do_not_hide_values_that_a_copy_takes[postgresql: NULL]"],
    ),
    Patch(
        "Nothing is lost: values that are filled hide values that are taken",
        f"{_LOSSES}/counts.py",
        "_most(known[name].lost, kept.get(name, 0))",
        "known[name].lost",
        [f"{_HIDDEN}::{_FILLED}[{engine}: in a statement after it]" for engine in ("sqlite", "postgresql")],
    ),
    Patch(
        "Nothing is lost: without temporary tables, values that are filled hide values that are taken",
        f"{_LOSSES}/kept_values.py",
        "self._remembered.setdefault(table.identity, []).append(each)",
        "self._remembered.setdefault(table.identity, []).extend([each] if kept.startswith(self._temp) else [])",
        [f"{_HIDDEN}::test_keeps_keys_without_the_right_to_make_temporary_tables[postgresql: in one statement]"],
    ),
    Patch(
        "Nothing is lost: a row with another key has kept its values",
        f"{_LOSSES}/kept_values.py",
        "row is None or row[0] - row[1] > gone",
        "row is None",
        [
            f"{_HIDDEN}::test_a_row_whose_key_is_another_one_may_have_lost_values[{engine}: changed by a later one]"
            for engine in ("sqlite", "postgresql")
        ],
    ),
    Patch(
        "Nothing is lost: a row that REPLACE gives another key has kept its values",
        f"{_LOSSES}/kept_values.py",
        "found = whole_keys(self._connection.connection.dbapi_connection, table)",
        "found: list[list[str]] = []",
        [f"{_HIDDEN}::test_a_row_that_is_replaced_by_one_with_another_key_hides_no_value[sqlite: new rows]"],
    ),
    Patch(
        "Nothing is lost: the null of JSON is a value",
        "antarest/migration/database/catalog.py",
        'type_ in {"json", "jsonb"}',
        "False",
        [f"{_HIDDEN}::test_the_null_of_json_is_no_value[{engine}: None]" for engine in ("sqlite", "postgresql")],
    ),
    Patch(
        "Nothing is lost: rows that a block has taken back hide deleted rows",
        f"{_LOSSES}/row_statistics.py",
        "if table not in self._next:",
        "if False:",
        [f"{_HIDDEN}::test_what_a_block_takes_back_hides_no_row[postgresql: new rows, by a text]"],
    ),
    Patch(
        "Nothing is lost: other new rows hide a row that INSERT OR REPLACE has deleted",
        f"{_LOSSES}/replaced.py",
        "return max(int(lost), 0)",
        "return 0",
        [f"{_HIDDEN}::test_a_row_that_replaces_two_is_seen_beside_other_new_rows[sqlite: two rows in one statement]"],
    ),
    Patch(
        "Nothing is lost: a made-up name is not looked for",
        f"{_LOSSES}/tracking/postgresql.py",
        "elif not what and attempt and seen.can_run_in_savepoint:",
        "elif False:",
        [
            f"{_TESTS}/losses/test_writers.py::test_what_is_committed_while_a_statement_waits_is_counted[{claim}]"
            for claim in ("a block with made-up names", "a function with made-up names")
        ],
    ),
    Patch(
        "Nothing is lost: what others write between a copy and a drop is dropped",
        f"{_RUN}/before_commit.py",
        "if guard.overtaken:",
        "if False:",
        [f"{_TESTS}/losses/test_writers.py::test_what_others_commit_after_a_copy_is_not_lost_and_no_loss"],
    ),
    Patch(
        "Nothing is lost: a yes to some rows is a yes to more",
        f"{_WORKFLOW}/errors/loss.py",
        "(loss.count is not None and loss.count <= named)",
        "named > 0",
        [f"{_TESTS}/losses/test_writers.py::test_an_agreement_is_to_the_numbers_that_the_plan_showed"],
    ),
    Patch(
        "Nothing is lost: a table that cannot be locked is counted",
        f"{_LOSSES}/counts.py",
        "if table.identity in self._tracker.unlocked:",
        "if False:",
        [f"{_TESTS}/losses/test_writers.py::test_a_table_that_the_role_may_drop_and_not_lock_loses_an_unknown_number"],
    ),
    Patch(
        "Nothing is lost: a revision deletes through the driver",
        f"{_DATABASE}/driver_connections.py",
        "factory or _SqliteCursor",
        "factory or sqlite3.Cursor",
        [f"{_TESTS}/losses/test_loss.py::test_an_upgrade_refuses_what_is_not_declared[sqlite-a table, by a cursor]"],
    ),
    Patch(
        "Nothing is lost: only the first revision that loses something is watched",
        f"{_LOSSES}/guard.py",
        "if self._tracker.tables:",
        "if self._tracker.tables and not self.losses:",
        [f"{_TESTS}/losses/test_loss.py::test_each_revision_answers_for_its_own_losses[sqlite]"],
    ),
    Patch(
        "Nothing is lost: what a segment lost is not named",
        f"{_RUN}/runner.py",
        "for loss in segment.losses:",
        "for loss in ():",
        [f"{_TESTS}/run/test_segments.py::test_what_a_segment_lost_is_named_also_if_a_later_one_fails[sqlite]"],
    ),
    Patch(
        "Nothing is lost: a rollback needs no agreement",
        f"{_RUN}/before_commit.py",
        'loss.direction == "downgrade" and not',
        'loss.direction == "sideways" and not',
        [
            f"{_TESTS}/losses/test_loss.py::{test}[sqlite]"
            for test in ("test_a_downgrade_needs_an_agreement", "test_plain_alembic_refuses_as_a_process")
        ],
    ),
    Patch(
        "Nothing is lost: a plan changes the server that others use",
        f"{_WORKFLOW}/scratch/databases.py",
        "if _WHOLE_SERVER.search(statement)",
        "if not statement",
        [f"{_SERVERS}::test_revisions_that_change_a_whole_server_do_not_run_on_one_that_others_use"],
    ),
    Patch(
        "Nothing is lost: a scratch database stays on the server that others use",
        f"{_WORKFLOW}/scratch/servers.py",
        "f'DROP DATABASE IF EXISTS \"{url.database}\" WITH (FORCE)'",
        '"SELECT 1"',
        [f"{_SERVERS}::test_the_server_of_the_database_is_used_after_it_is_said_and_nothing_stays"],
    ),
    Patch(
        "Nothing is lost: a plan that knows nothing says that nothing is lost",
        f"{_WORKFLOW}/commands/rendering/results.py",
        "elif not plan.unknown:",
        "else:",
        [f"{_SERVERS}::test_without_any_server_the_plan_says_so_and_the_run_measures"],
    ),
    Patch(
        "Nothing is lost: foreign keys act during a run",
        f"{_DATABASE}/connection.py",
        '"PRAGMA foreign_keys = OFF"',
        '"PRAGMA foreign_keys = ON"',
        [f"{_TESTS}/run/test_all_or_nothing.py::test_a_rebuild_keeps_the_rows_that_refer_to_its_table"],
    ),
    Patch(
        "Nothing is lost: rows refer to nothing",
        f"{_RUN}/before_commit.py",
        "sorted(counts - known)",
        "()",
        [f"{_TESTS}/run/test_all_or_nothing.py::test_rows_that_would_refer_to_nothing_are_refused"],
    ),
    Patch(
        "Nothing is lost: a rebuild loses a trigger, an index, a check, ...",
        f"{_RUN}/runner.py",
        "if guard.missing:",
        "if False:",
        [f"{_TESTS}/losses/test_rebuilds.py::test_what_would_be_lost_is_named"],
    ),
    Patch(
        "Nothing is lost: a rebuild loses the counter of AUTOINCREMENT",
        f"{_LOSSES}/rebuilds.py",
        "now.get(name, 0) < counter",
        "False",
        [f"{_TESTS}/losses/test_rebuilds.py::test_a_rebuild_keeps_the_counter_of_autoincrement"],
    ),
    Patch(
        "Nothing is lost: the error about a rebuild does not say what to write",
        f"{_LOSSES}/rebuilds.py",
        "if (found := _IN_THE_WAY.search(message)) is None:",
        "if (found := _IN_THE_WAY.search(message)):",
        [f"{_TESTS}/losses/test_rebuilds.py::test_a_view_on_the_table_ends_a_rebuild_and_the_message_says_what_to_do"],
    ),
    Patch(
        "Nothing is lost: a text is emptied",
        f"{_LOSSES}/counted.py",
        "min(max(self.overwritten), self.first.values)",
        "self.overwritten.values",
        [f"{_UNIT}/test_loss.py::test_counts_the_values_that_are_emptied[sqlite: an empty text, all are full]"],
    ),
    Patch(
        "Nothing is lost: a type changes values",
        f"{_LOSSES}/tracking/conversions.py",
        "return affinity(old) != affinity(new)",
        "return False",
        [f"{_TYPES}::test_sqlite_counts_the_values_that_a_type_changes[sqlite: a text without CAST]"],
    ),
    Patch(
        "Nothing is lost: any growth of a destination is an arrival",
        f"{_LOSSES}/moves.py",
        "there = min(grown[move.place], max(move.arrived - move.first, filled, 0))",
        "there = grown[move.place]",
        [f"{_UNIT}/test_loss_moves.py::{_ARRIVES}[sqlite: rows beside others]"],
    ),
    Patch(
        "Nothing is lost: other rows make up for those that a rebuild leaves out",
        f"{_LOSSES}/copied_rows.py",
        "if copied else rows",
        "if False else rows",
        [
            f"{_UNIT}/test_loss_moves.py::{_OTHER_ROWS}[{engine}: as many other rows]"
            for engine in ("sqlite", "postgresql")
        ],
    ),
    Patch(
        "Nothing is lost: what an attempt updates is not counted",
        f"{_LOSSES}/tracking/postgresql.py",
        "takes |= {table.name: set(table.columns) for table in updated}",
        "pass",
        [f"{_UNIT}/test_loss_tricks.py::test_sees_what_a_statement_calls[postgresql: names that are made up]"],
    ),
    Patch(
        "Nothing is lost: a renamed column of a rebuilt table is not found",
        f"{_LOSSES}/tracking/origins.py",
        "copied = copy.columns(tables)",
        "copied = []",
        [f"{_TYPES}::test_knows_a_renamed_column_of_a_rebuilt_table[sqlite: in a batch]"],
    ),
    Patch(
        "Nothing is lost: what is deferred waits for the commit",
        f"{_LOSSES}/guard.py",
        "self._deferred.run()",
        "pass",
        [
            f"{_DEFERRED}::{test}"
            for test in (
                "test_a_key_that_only_a_later_revision_repairs_is_the_fault_of_the_one_that_breaks_it",
                "test_nothing_is_pending_for_the_next_revision_and_keys_are_deferred_again",
            )
        ],
    ),
    Patch(
        "Nothing is lost: an UPDATE that reaches only some rows is not noticed",
        f"{_RUN}/runner.py",
        "if guard.hidden:",
        "if False:",
        [f"{_TESTS}/database/test_row_security.py::test_a_write_that_may_miss_rows_is_refused"],
    ),
    Patch(
        "Nothing is lost: a database without a recorded revision counts as empty",
        f"{_WORKFLOW}/workflow/unrecorded.py",
        "if not ours and not elsewhere:",
        "if True:",
        [
            f"{_TESTS}/database/test_unrecorded.py::{test}"
            for test in (
                "test_an_upgrade_stops_where_tables_are_there_and_names_the_revision_whose_tables_fit[sqlite]",
                "test_a_version_table_in_another_schema_is_found",
            )
        ],
    ),
    Patch(
        "Nothing is lost: a reset does not count partitions that others made",
        f"{_WORKFLOW}/workflow/reset.py",
        "            gone |= new",
        "            break",
        [f"{_RESET}::test_every_kind_of_object_of_the_history_is_dropped_and_made_again[postgresql]"],
    ),
    Patch(
        "Nothing is lost: a reset does not name the objects of others that depend on the history",
        f"{_WORKFLOW}/workflow/reset.py",
        "for line in lines if line.partition(_DEPENDS)[0] not in own",
        "for line in lines if line.partition(_DEPENDS)[0] in own",
        [f"{_RESET}::test_the_objects_of_others_that_depend_on_the_history_are_named[a view on a view]"],
    ),
    Patch(
        "Nothing is lost: a reset leaves rows of others that refer to nothing",
        f"{_RUN}/before_commit.py",
        "if worse and request.prepare:",
        "if request.prepare:\n        return\n    if worse and request.prepare:",
        [f"{_RESET}::test_rows_of_others_that_would_refer_to_nothing_are_refused"],
    ),
    Patch(
        "Nothing is lost: a reset drops what was written after the agreement",
        f"{_WORKFLOW}/workflow/reset.py",
        "if not everything and not all(",
        "if False and not all(",
        [f"{_RESET}::test_rows_that_others_write_after_the_agreement_are_refused[sqlite]"],
    ),
)
