"""The promise "All or nothing" of `docs/reliability.md`: patches that break it, and the tests that must fail."""

from __future__ import annotations

from tests.mutations.patch import Patch

_DATABASE, _LOSSES, _RUN = (f"antarest/migration/{room}" for room in ("database", "losses", "run"))
_TESTS = "integration"
_ENDS = f"{_TESTS}/run/test_all_or_nothing.py::test_a_revision_that_ends_the_transaction_is_refused"
_LOST = f"{_TESTS}/database/test_lost_connections.py"

ALL_OR_NOTHING = (
    Patch(
        "All or nothing: each revision is committed on its own",
        f"{_RUN}/segments.py",
        "if steps and stands_alone(steps[0]):",
        "if steps:",
        [f"{_TESTS}/run/test_all_or_nothing.py::test_a_revision_that_fails_changes_nothing_and_is_named[sqlite]"],
    ),
    Patch(
        "All or nothing: each statement is committed on its own",
        f"{_DATABASE}/driver_connections.py",
        "            return super().execute(sql, parameters)",
        """            super().execute(sql, parameters)
            words = ("ALTER", "CREATE", "DELETE", "DROP", "INSERT", "UPDATE")
            if sql.lstrip().startswith(words) and "RETURNING" not in sql:
                sqlite3.Cursor(self.connection).execute("COMMIT")
                sqlite3.Cursor(self.connection).execute("BEGIN IMMEDIATE")
            return self""",
        [f"{_TESTS}/run/test_chaos.py::test_nothing_is_lost_and_nothing_is_left_half_way[sqlite]"],
    ),
    Patch(
        "All or nothing: a boundary that a revision asks for is kept",
        f"{_RUN}/segments.py",
        'return revision.transaction == "own" or ',
        "return ",
        [f"{_TESTS}/run/test_segments.py::test_a_segment_that_fails_leaves_what_was_committed_before_it[sqlite]"],
    ),
    Patch(
        "All or nothing: the error names what was committed",
        f"{_RUN}/request.py",
        "if not self.steps:",
        "if failed or not self.steps:",
        [f"{_TESTS}/run/test_segments.py::test_an_error_says_what_was_committed[sqlite]"],
    ),
    Patch(
        "All or nothing: a revision commits",
        f"{_LOSSES}/guard.py",
        "def on_commit(self)",
        "def _on_commit(self)",
        [f"{_ENDS}[sqlite-op.get_bind().connection.commit()]"],
    ),
    Patch(
        "All or nothing: a revision rolls back",
        f"{_LOSSES}/guard.py",
        "if self._is_rolled_back or not is_in_transaction(self._connection):",
        "if False:",
        [f"{_ENDS}[sqlite-op.get_bind().connection.rollback()]"],
    ),
    Patch(
        "All or nothing: a revision leaves the transaction without asking",
        f"{_RUN}/segments.py",
        'if revision.uses_autocommit and revision.transaction != "none":',
        "if False:",
        [
            f"{_TESTS}/run/test_autocommit.py::test_a_block_that_is_not_asked_for_is_refused_before_anything_runs[sqlite]"
        ],
    ),
    Patch(
        "All or nothing: any statement runs outside of a transaction",
        f"{_RUN}/segments.py",
        "elif not _OTHERS.fullmatch(statement):",
        "elif False:",
        [
            f"{_TESTS}/run/test_autocommit.py::test_what_could_not_be_run_again_is_refused[{id_}]"
            for id_ in ("an index without IF NOT EXISTS", "a DELETE in the block")
        ],
    ),
    Patch(
        "All or nothing: a revision changes something before it leaves the transaction",
        f"{_RUN}/segments.py",
        "if not self._had_written and self._has_written():",
        "if False:",
        [f"{_TESTS}/run/test_autocommit.py::test_what_could_not_be_run_again_is_refused[a table before the block]"],
    ),
    Patch(
        "All or nothing: an INVALID index stays",
        f"{_RUN}/segments.py",
        "if invalid := self._connection.scalar(_INVALID, names):",
        "if invalid := None:",
        [f"{_TESTS}/run/test_autocommit.py::test_an_index_that_a_killed_build_has_left_is_filled_anew"],
    ),
    Patch(
        "All or nothing: nobody waits for the end of a build",
        f"{_RUN}/segments.py",
        "if not self._patience.wait(",
        "if callable(",
        [f"{_TESTS}/run/test_autocommit.py::test_an_index_that_is_still_being_filled_is_waited_for"],
    ),
    Patch(
        "All or nothing: no second connection reads the revision",
        f"{_RUN}/runner.py",
        "self._confirm(segment.steps)",
        "pass",
        [f"{_TESTS}/run/test_segments.py::test_a_commit_that_does_not_do_what_it_should_is_noticed"],
    ),
    Patch(
        "All or nothing: a commit without an answer counts as none",
        f"{_RUN}/runner.py",
        "return found == segment.goal != self.outcome.after",
        "return False",
        [f"{_LOST}::test_a_commit_whose_answer_is_lost_is_seen_by_a_second_connection"],
    ),
    Patch(
        "All or nothing: a commit without an answer counts as one",
        f"{_RUN}/runner.py",
        "return found == segment.goal != self.outcome.after",
        "return True",
        [f"{_LOST}::test_a_commit_that_did_not_arrive_is_none"],
    ),
    Patch(
        "All or nothing: a commit that the database refuses is called an unknown result",
        f"{_RUN}/runner.py",
        "segment.is_unsure = not is_refusal(error)",
        "segment.is_unsure = True",
        [f"{_TESTS}/database/test_commits.py::test_a_commit_that_the_disk_refuses_is_none"],
    ),
    Patch(
        "All or nothing: an unknown result is called a rollback",
        f"{_RUN}/runner.py",
        "segment.is_unsure = not is_refusal(error)",
        "segment.is_unsure = False",
        [f"{_LOST}::test_a_commit_of_which_nobody_can_be_asked_is_not_called_anything_else"],
    ),
    Patch(
        "All or nothing: a commit that was confirmed is not called one",
        f"{_RUN}/runner.py",
        'error.state = f"{self.outcome.state()}',
        'error.args = f"{self.outcome.state()}',
        [f"{_LOST}::test_a_commit_that_nobody_can_read_again_is_said_to_be_one"],
    ),
    Patch(
        "All or nothing: nobody waits for the end of a commit",
        f"{_RUN}/runner.py",
        "if not self.writer.wait_for_end():",
        "if False:",
        [f"{_TESTS}/database/test_commits.py::test_a_commit_that_outlives_its_connection_is_not_called_anything"],
    ),
    Patch(
        "All or nothing: a run serves no signal",
        f"{_DATABASE}/signals.py",
        "if threading.current_thread() is not threading.main_thread():",
        "if True:",
        [f"{_TESTS}/run/test_signals.py::test_a_run_is_stopped_in_the_middle_of_a_statement[sqlite-alembic-SIGTERM]"],
    ),
    Patch(
        "All or nothing: a signal interrupts a commit",
        f"{_DATABASE}/signals.py",
        "self._is_held = True",
        "self._is_held = False",
        [f"{_TESTS}/run/test_signals.py::test_a_commit_is_not_interrupted_and_the_signal_is_served_after_it"],
    ),
    Patch(
        "All or nothing: a signal interrupts an error",
        "antarest/migration/commands/boundary.py",
        "            except BaseException as error:  # noqa: BLE001 - every error ends here\n"
        "                handler.is_decided = True\n",
        "            except BaseException as error:  # noqa: BLE001 - every error ends here\n",
        ["unit/migration/errors/test_last_word.py::test_an_error_that_is_being_told_is_told_to_its_end[SIGTERM]"],
    ),
    Patch(
        "All or nothing: a revision is deleted before it is written again",
        "antarest/migration/project/staging.py",
        "write_whole(old.path, content)  #",
        "old.path.unlink(), write_whole(old.path, content)  #",
        [f"{_TESTS}/run/test_killed.py::test_a_revision_that_is_written_again_is_never_lost"],
    ),
    Patch(
        "All or nothing: output that does not work ends a run",
        "antarest/migration/commands/output.py",
        "        if self.failure or self._try(text):\n            complain(text)",
        "        if self._try(text):\n            raise OutputFailed(self.failure)",
        [
            f"{_TESTS}/commands/test_unreported.py::test_a_reader_that_leaves_during_a_run_does_not_end_it_and_is_told_elsewhere"
        ],
    ),
    Patch(
        "All or nothing: nobody knows whether a full disk has refused a commit",
        f"{_DATABASE}/driver_errors.py",
        "or is_answer or sqlstate(raised) == _DISK_FULL",
        "or is_answer",
        [f"{_TESTS}/database/test_full_disk.py::test_a_commit_that_a_full_disk_refuses_is_none"],
    ),
)
