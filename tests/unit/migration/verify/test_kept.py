from __future__ import annotations

from pathlib import Path

from antarest.migration.errors.revision import Revision
from antarest.migration.verify.findings.row_changes import row_findings, unfounded_declarations
from antarest.migration.verify.rows.snapshots import RowSnapshot, TableRows

REVISION = Revision("a", (), "seed", Path("a.py"))
MADE = "role.made"


def rows(*values: tuple[object, ...]) -> RowSnapshot:
    return RowSnapshot({"role": TableRows(("id", "made"), ("id",), values)})


def changed(there: RowSnapshot, momentary: set[str]) -> list[tuple[str, str]]:
    """Return the findings if row 2 has another value at the end."""
    moments = (rows((1, "x"), (2, "x")), there, rows((1, "x"), (2, "y")))
    return [
        (each.id, each.item)
        for each in row_findings(REVISION, "downgrade", moments, declares=True, momentary=momentary)
    ]


def test_a_row_that_was_away_may_have_another_moment() -> None:
    assert changed(rows((1, "x")), {MADE}) == []
    assert changed(rows((1, "x")), set()) == [("V504", MADE)]


def test_a_row_that_stayed_may_not() -> None:
    assert changed(rows((1, "x"), (2, "x")), {MADE}) == [("V504", MADE)]


def test_a_key_is_read_as_in_a_run() -> None:
    """A table may have a dot in its name. A declaration for the table does not declare its columns."""
    table = TableRows(("id", "x"), ("id",), ((1, "x"), (2, "y")))
    before = RowSnapshot({"a.b": table})
    after = RowSnapshot({"a.b": TableRows(("id",), ("id",), ((1,), (2,)))})
    declared = dict.fromkeys(["a.b.x", "a.b.y", "audit.old"], "old")

    impossible, unseen = unfounded_declarations(before, after, declared)
    assert (impossible, unseen) == (["there is no column a.b.y", "there is no column audit.old"], [])
    for key, found in {"a.b.x": [], "a.b": [("V501", "a.b.x")]}.items():
        revision = Revision("a", (), "drop", Path("a.py"), lossy={"upgrade": {key: "old"}})
        findings = row_findings(revision, "upgrade", (before, after, None), declares=True)
        assert [(each.id, each.item) for each in findings] == found, key


def test_a_new_name_is_no_loss_of_the_upgrade() -> None:
    """The upgrade renames a column or a table, and the downgrade writes other values. The upgrade has lost nothing."""
    before = rows((1, "x"), (2, "y"))
    back = rows((1, "x!"), (2, "y!"))
    column = RowSnapshot({"role": TableRows(("id", "created"), ("id",), ((1, "x"), (2, "y")))})
    more = RowSnapshot({"role": TableRows(("id", "created"), ("id",), ((1, "x"), (2, "y"), (3, "z")))})
    table = RowSnapshot({"function": before.tables["role"]})
    other = RowSnapshot({"role": TableRows(("id", "created"), ("id",), ((1, "y"), (2, "x")))})
    for between, round_trip, one_way in (
        (column, [("V504", MADE)], []),
        (more, [("V504", MADE)], []),
        (table, [("V504", "role")], []),
        (other, [("V501", MADE)], [("V501", MADE)]),
    ):
        for after, found in ((back, round_trip), (None, one_way)):
            findings = row_findings(REVISION, "upgrade", (before, between, after), declares=True)
            assert [(each.id, each.item) for each in findings] == found
