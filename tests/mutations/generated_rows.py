"""For the rows that the proof generates: patches that make other rows, and the histories whose tests must fail."""

from __future__ import annotations

from tests.mutations.patch import Patch
from tests.mutations.proof import of_history

_VERIFY = "antarest/migration/verify"
_FOREIGN = "integration/verify/test_verify_foreign.py"
_CLEAN = "integration/verify/test_verify_findings.py::test_nothing_is_found_in_a_history_without_a_fault"

ROWS = (
    of_history(
        "plain rows have awkward values too",
        f"{_VERIFY}/proving/state.py",
        '"""Return False: no column gets an awkward value, so the rows are plain."""\n    return False',
        '"""Return False: no column gets an awkward value, so the rows are plain."""\n    return True',
        "awkward_dates",
        "parsed_json",
    ),
    of_history(
        "a renamed table has new differences",
        f"{_VERIFY}/comparison.py",
        "                self.known.add(_text(each))",
        "                pass",
        "differs_under_a_new_name",
    ),
    of_history(
        "a name that the models do not give is an error",
        f"{_VERIFY}/proving/drift.py",
        "each.path in unnamed",
        "not unnamed",
        "key_named_only_in_revision",
    ),
    of_history(
        "a name that the models give is no error",
        f"{_VERIFY}/proving/drift.py",
        "each.path in unnamed",
        "each.path",
        "key_named_otherwise",
    ),
    of_history(
        "two rows are equal in a new unique key",
        f"{_VERIFY}/proving/row_proof.py",
        "trial = self._begin(before.fill(nowhere, keys)",
        "trial = self._begin(before.fill(nowhere)",
        "key_over_old_rows",
    ),
    of_history(
        "UUIDs differ from row to row",
        f"{_VERIFY}/rows/plain.py",
        'return not has_uuids or column.lower().endswith("_id")',
        "return True",
        "key_over_old_rows",
    ),
    of_history(
        "a text that becomes an enum has the labels of the enum",
        f"{_VERIFY}/proving/state.py",
        "if known != self._labels:",
        "if known == self._labels:",
        "text_becomes_enum",
    ),
    of_history(
        "rows exist that an upgrade has deleted",
        f"{_VERIFY}/rows/hints.py",
        "return replace(self, literals=left, shapes=shapes)",
        "return replace(self, shapes=shapes)",
        "refuses_rows",
    ),
    of_history(
        "a column with JSON gets a text with which it is compared",
        f"{_VERIFY}/rows/hints.py",
        "if _is_json(text)]",
        "]",
        "json_compared",
    ),
    of_history(
        "foreign keys are enforced although env.py switches them off",
        f"{_VERIFY}/env_reader.py",
        "bool(settings) and settings <=",
        "bool(settings) and settings &",
        "foreign_keys_switched_off",
    ),
    Patch(
        "The proof: a renamed column or table is lost",
        f"{_VERIFY}/findings/row_changes.py",
        "renamed = is_renamed(before, between, item)",
        "renamed = False",
        ["unit/migration/verify/test_kept.py::test_a_new_name_is_no_loss_of_the_upgrade"],
    ),
    Patch(
        "The proof: a sequence is behind the only row that a table can have",
        f"{_VERIFY}/findings/integrity.py",
        "~ '^\\(\\S+ = \\d+\\)$'",
        "~ '^no check'",
        [_CLEAN + "[clean_seeds_a_row]"],
    ),
    Patch(
        "The proof: a type that passes values on is not tried",
        f"{_VERIFY}/findings/models.py",
        "kind = kind.impl_instance",
        "pass",
        [_CLEAN + "[clean_mapped_classes]"],
    ),
    Patch(
        "The proof: a package that cannot be imported is not missed",
        f"{_VERIFY}/target.py",
        "        importlib.import_module(name[:end])",
        "        pass",
        ["integration/verify/test_verify_env.py::test_a_package_that_fails_after_it_has_imported_the_models_is_said"],
    ),
    Patch(
        "The proof: a process finds a folder of the caller in place of a module of Python",
        f"{_VERIFY}/processes.py",
        "    os.environ.setdefault(_SAFE_PATH, _PACKAGE)",
        "    pass",
        [f"{_FOREIGN}::test_a_folder_with_the_name_of_a_module_of_python_does_not_end_the_proof"],
    ),
)
