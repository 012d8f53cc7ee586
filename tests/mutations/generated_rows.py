"""For the rows that the proof generates: patches that make other rows, and the histories whose tests must fail."""

from __future__ import annotations

from tests.mutations.proof import of_history

_VERIFY = "antarest/migration/verify"

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
)
