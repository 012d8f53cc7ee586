"""For other promises of the proof than its findings: patches that break them, and histories whose tests must fail."""

from __future__ import annotations

from tests.mutations.patch import Patch

_VERIFY = "antarest/migration/verify"
_SOURCE = "unit/migration/verify/test_source.py"
_HISTORY = "integration/verify/test_verify_findings.py::test_the_history_of_another_project_has_exactly_its_faults"
_COMMAND = "integration/verify/test_verify_foreign.py"
_ENV = "integration/verify/test_verify_env.py"


def of_history(name: str, path: str, old: str, new: str, *histories: str) -> Patch:
    """Return a patch that the tests of these foreign histories must notice."""
    return Patch(f"The proof: {name}", path, old, new, [f"{_HISTORY}[{each}]" for each in histories])


_EARLIER = ["integration/verify/test_verify_earlier.py::test_a_change_of_one_byte_makes_the_proof_again"]

PROOF = (
    Patch(
        "The proof: the guard of a run does not watch",
        f"{_VERIFY}/proving/runs.py",
        "meter.read, losses=watched)",
        "meter.read)",
        ["integration/verify/test_verify_findings.py::test_a_fault_is_found_where_it_is[loss_only_in_between]"],
    ),
    of_history(
        "a moment as a number differs from another one",
        f"{_VERIFY}/findings/row_values.py",
        "return _NOW if is_now else format",
        "return format",
        "refuses_rows",
    ),
    Patch(
        "The proof: a kept one counts though a file has changed",
        f"{_VERIFY}/earlier/proofs.py",
        "return kept if all(",
        "return kept if kept or all(",
        _EARLIER,
    ),
    Patch(
        "The proof: a kept one counts though the rows differ",
        f"{_VERIFY}/earlier/proofs.py",
        "_server(connection), options, facts",
        "_server(connection), options",
        _EARLIER,
    ),
    of_history(
        "tables have the same keys",
        f"{_VERIFY}/rows/plain.py",
        'f"{table} {number}"',
        'f"{number}"',
        "equal_keys",
    ),
    of_history(
        "JSON in another order has changed",
        f"{_VERIFY}/rows/snapshots.py",
        "if any(isinstance(column.type, sa.JSON) for column in table.c):",
        "if False:",
        "json_key_renamed",
    ),
    of_history(
        "JSON has the keys of both directions",
        f"{_VERIFY}/rows/hints.py",
        "shapes |= dict.fromkeys(columns, shape) if isinstance(shape, (dict, list)) else {}",
        "pass",
        "json_key_moved",
    ),
    of_history(
        "the shape of a column of JSON is not known",
        f"{_VERIFY}/rows/json_shapes.py",
        "reader = _JsonReader({*_json_columns(tree)})",
        "reader = _JsonReader(set())",
        "json_key_lost",
    ),
    Patch(
        "The proof: env.py connects with psycopg 3",
        f"{_VERIFY}/env_run.py",
        ', "psycopg.generators": "connect"}',
        "}",
        [f"{_ENV}::test_env_py_is_run_with_nothing_but_the_scratch_database_in_reach"],
    ),
    of_history(
        "keys of another table are as good",
        f"{_VERIFY}/findings/integrity.py",
        "if _same_values(then.tables[name], other.columns, now.tables[name], key.columns):",
        "if False:",
        "key_to_another_table",
    ),
    of_history(
        "a copy has other keys than its table",
        f"{_VERIFY}/proving/row_proof.py",
        "{table, to} <= words and not words.isdisjoint(_INSERTS)",
        "False",
        "key_to_another_table",
    ),
    of_history(
        "an exchange on purpose is a fault",
        f"{_VERIFY}/findings/row_changes.py",
        "if not is_moved and not is_assigned:",
        "if not is_moved:",
        "columns_exchanged",
    ),
    of_history(
        "values for a new NOT NULL are an error",
        f"{_VERIFY}/proving/row_proof.py",
        'severity="note" if is_note else finding.severity',
        "severity=finding.severity",
        "gaps_filled",
    ),
    of_history(
        "a table that a revision reads is one that it makes",
        f"{_VERIFY}/rows/hints.py",
        "last_name(node) in _MAKERS and not _is_read(node)",
        "last_name(node) in _MAKERS",
        "table_read_from_elsewhere",
    ),
    of_history(
        "the package of the revisions is not the application",
        f"{_VERIFY}/findings/static.py",
        " or _is_around(path, name)",
        "",
        "package_imported",
    ),
    of_history(
        "an enum of SQLite gets any text",
        f"{_VERIFY}/proving/steps.py",
        "if isinstance(kind, sa.Enum):",
        "if isinstance(kind, sa.Boolean):",
        "text_becomes_enum",
    ),
    of_history(
        "a value that cannot be read ends it",
        f"{_VERIFY}/rows/snapshots.py",
        "        rows = _read_what_can_be_read(connection, table)",
        "        raise",
        "date_becomes_number",
        "table_as_select",
    ),
    of_history(
        "nothing behind a failure is proved",
        f"{_VERIFY}/proving/paths.py",
        "return next((found for path in paths for found in path), None)",
        "return None",
        "not_proved_is_not_zero",
    ),
    of_history(
        "an alternative base has no database of its own",
        f"{_VERIFY}/proving/paths.py",
        "if state.applied and not revision.predecessors and",
        "if False and",
        "alternative_bases",
    ),
    of_history(
        "a second connection is locked out",
        f"{_VERIFY}/proving/paths.py",
        "if failed.reason == _LOCKED:",
        "if False:",
        "writes_beside",
    ),
    of_history(
        "a difference from before the range is its finding",
        f"{_VERIFY}/comparison.py",
        "self._remember(_differences(sqlite.before, postgresql.before), sqlite.before)",
        "pass",
        "differs_from_before",
    ),
    of_history(
        "a difference that was removed stays an error",
        f"{_VERIFY}/__init__.py",
        'if each.id == "V601" and each.found not in current else each',
        "if False else each",
        "healed_later",
    ),
    of_history(
        "sa.Enum is no parity",
        f"{_VERIFY}/comparison.py",
        "not in self.known and not (_is_enum(each) and not target.is_own)",
        "not in self.known",
        "enum_value_added",
    ),
    of_history(
        "a name that SQLAlchemy shortens is a difference",
        f"{_VERIFY}/comparison.py",
        "parity(_with_short_names(sqlite, integrity.names(postgresql)), postgresql)",
        "parity(sqlite, postgresql)",
        "shortened_names",
    ),
    of_history(
        "a CHECK that is replaced is a loss",
        "antarest/migration/losses/rebuilds.py",
        "kept = kept or _listed(condition) in replaced",
        "kept = kept or False",
        "check_replaced_by_another",
    ),
    of_history(
        "a CHECK is not known by the name of the convention",
        "antarest/migration/losses/rebuilds.py",
        "return _plain(name) if name else None",
        "return name",
        "check_dropped_by_name",
    ),
    Patch(
        "The proof: a module is looked for in the folder of the project only",
        f"{_VERIFY}/source.py",
        "yield from [*self.path.parents][:_MOST_FOLDERS]",
        "yield from ()",
        [f"{_SOURCE}::test_a_package_above_env_py_is_found_although_no_search_path_names_its_folder"],
    ),
    of_history(
        "a role that another database has cannot be made",
        f"{_VERIFY}/clones.py",
        'event.listen(self._engine, "before_cursor_execute", self._pretend, retval=True)',
        "pass",
        "makes_a_role",
    ),
    of_history(
        "random values differ between the engines",
        f"{_VERIFY}/proving/row_proof.py",
        "if not _RANDOM.search(self._source):",
        "if self._source:",
        "random_values",
    ),
    of_history(
        "rows that an upgrade makes again have changed",
        f"{_VERIFY}/findings/row_changes.py",
        "for table in before.tables.keys() - between.tables.keys():",
        "for table in set[str]():",
        "random_values",
    ),
    of_history(
        "equal values in other rows are the same",
        f"{_VERIFY}/findings/row_values.py",
        'Counter((key if key in keys.get(name, ()) else "", _made',
        'Counter(("", _made',
        "numbered_by_order",
    ),
    of_history(
        "objects that no inventory has may stay",
        f"{_VERIFY}/proving/revision_proof.py",
        "for kind, name in sorted(new - old):",
        "for kind, name in sorted(new - new):",
        "objects_stay",
    ),
    of_history(
        "a deferred constraint is not tried in one run",
        f"{_VERIFY}/proving/row_proof.py",
        "if self._leaves_events(before):",
        "if False:",
        "deferred_rows_in_one_run",
    ),
    of_history(
        "revisions that are committed one by one are run at once",
        "antarest/migration/scratch/runner.py",
        "return [*steps[:1]] if self.commits_each else",
        "return [*steps[:1]] if False else",
        "deferred_rows_committed_each",
    ),
    of_history(
        "a label that a revision writes is not tried",
        f"{_VERIFY}/proving/drift.py",
        "return [each for each in sorted(texts) if repr(each) not in gone] if there else []",
        "return []",
        "stored_label",
    ),
    Patch(
        "The proof: a value that is the same in another type is lost",
        f"{_VERIFY}/findings/row_values.py",
        "if value is None or _plain(value) == _plain(after):",
        "if value is None:",
        [
            "unit/migration/verify/test_row_values.py::test_another_spelling_of_a_value_and_an_unrelated_value_are_no_loss"
        ],
    ),
    of_history(
        "the keys are not compared with their types",
        f"{_VERIFY}/findings/lints.py",
        "if one and other and one.type != other.type:",
        "if False:",
        "foreign_keys_of_all_kinds",
    ),
    Patch(
        "The proof: a consequence stands beside its cause",
        "antarest/migration/commands/rendering/proof_groups.py",
        "if each in explained:",
        "if False:",
        ["integration/verify/test_verify.py::test_what_follows_from_a_cause_stands_below_it"],
    ),
    Patch(
        "The proof: equal findings about several objects are an entry each",
        "antarest/migration/commands/rendering/proof_groups.py",
        "if not finding.item:",
        "if finding:",
        ["integration/verify/test_verify.py::test_objects_of_which_the_same_is_wrong_are_one_entry"],
    ),
    Patch(
        "The proof: a changed revision is not named",
        f"{_VERIFY}/proving/changed.py",
        'return Finding.of("V901", f"{what}{found}", id_,',
        'return Finding.of("V901", f"{what}{found}", "",',
        ["integration/verify/test_verify_since.py::test_a_revision_that_was_changed_after_it_was_applied"],
    ),
    of_history(
        "a revision that fails in Python hides all later revisions",
        f"{_VERIFY}/proving/paths.py",
        "    if not isinstance(failed.__cause__, DBAPIError):\n        step",
        "    if isinstance(failed.__cause__, DBAPIError):\n        step",
        "fails_in_python",
    ),
    of_history(
        "a row with another key is a lost one and a new one",
        f"{_VERIFY}/findings/row_changes.py",
        "if number := _other_keys(table, now, key):",
        "if number := 0:",
        "keys_renumbered",
    ),
    Patch(
        "The proof: something is not proved, and the exit code is 0",
        "antarest/migration/commands/verbs/verify.py",
        "if found.errors or found.not_proved:",
        "if found.errors:",
        [f"{_COMMAND}::test_an_error_that_nobody_expects_leaves_only_its_own_part_unproved"],
    ),
    Patch(
        "The proof: env.py with an async engine gets no async driver",
        f"{_VERIFY}/env_run.py",
        "if _NEEDS_ASYNC not in error.message:",
        "if error:",
        [f"{_ENV}::test_an_env_py_with_an_async_engine_gets_an_async_driver"],
    ),
    Patch(
        "The proof: tables that env.py adds are unknown, and the models differ",
        f"{_VERIFY}/env_reader.py",
        "    return min(lines, default=None)",
        "    return None",
        [f"{_ENV}::test_tables_that_env_py_adds_to_its_metadata_are_known_only_if_it_is_run"],
    ),
    Patch(
        "The proof: env.py reaches other files",
        f"{_VERIFY}/env_run.py",
        'if name == "sqlite3.connect":',
        'if name == "":',
        [f"{_ENV}::test_env_py_is_run_with_nothing_but_the_scratch_database_in_reach"],
    ),
)
