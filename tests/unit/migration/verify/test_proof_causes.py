"""Which findings of a proof explain others, and which kinds come first."""

from __future__ import annotations

import io
from collections import Counter

import pytest

from antarest.migration.commands.rendering.proof import _overview
from antarest.migration.commands.rendering.proof_causes import causes
from antarest.migration.commands.rendering.proof_groups import grouped
from antarest.migration.verify import Verification
from antarest.migration.verify.findings.finding import Finding


@pytest.mark.parametrize(("item", "is_cause"), [("lake.depth", True), ("lake", True), ("ix_lake_depth", False)])
def test_only_a_column_or_table_explains_lost_values(item: str, is_cause: bool) -> None:
    left = Finding.of("V404", f"{item}: only in the downgraded schema", "r2", "sqlite", item=item, table="lake")
    lost = Finding.of("V502", "6 values of lake.depth", "r2", "sqlite", item="lake.depth", table="lake")

    found = causes(Verification(("sqlite",)), [left, lost])

    assert found == ({lost: left} if is_cause else {})


@pytest.mark.parametrize(
    ("item", "found", "is_cause"),
    [
        ("ix_lake_depth", "index ix_lake_depth on lake(depth): only in the models", True),
        ("lake.depth", "lake.depth: nullable in the models", True),
        ("ix_lake_name", "index ix_lake_name on lake(name): only in the models", False),
        ("lake.name", "lake.name: nullable in the models", False),
    ],
)
def test_a_column_explains_only_what_names_it(item: str, found: str, *, is_cause: bool) -> None:
    cause = Finding.of("V601", "lake.depth: other types", "r2", item="lake.depth", table="lake")
    other = Finding.of("V701", found, "r2", item=item, table="lake")

    assert causes(Verification(("sqlite",)), [cause, other]) == ({other: cause} if is_cause else {})


@pytest.mark.parametrize(("item", "is_cause"), [("kind", True), ("size", False), ("", False)])
def test_only_a_type_that_nobody_creates_explains_a_type_that_stays(item: str, *, is_cause: bool) -> None:
    failed = Finding.of("V301", f'type "{item}" does not exist', "r2", "postgresql", item=item)
    left = Finding.of("V404", "enum kind: only in the downgraded schema", "r2", "postgresql", item="enum kind")

    found = causes(Verification(("postgresql",)), [failed, left])

    assert found == ({left: failed} if is_cause else {})


def test_the_kinds_of_findings_that_lose_rows_come_before_those_about_files() -> None:
    found = Verification(("sqlite",))
    ids = ["V201", "V302", "V403", "V508", "V601", "V101"]
    findings = [Finding.of(each, each, "r2") for each in ids]
    note = Finding.of("V502", "5 rows of lake", "r2", severity="note")

    lines = _overview(found, grouped(found, [*findings, note]), Counter(), io.StringIO())

    assert [line[:4] for line in lines[:6]] == ["V101", "V508", "V302", "V403", "V601", "V201"]


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ('cannot INSERT into generated column "up"', 'batch_op.drop_column("up")'),
        ('extension "hstore" is not available', "that has the extension hstore"),
        ("KeyError: 'profile'", "`--env` sets a variable"),
        ('near "SETT": syntax error', "Read the message of the engine."),
    ],
)
def test_a_failure_shows_the_lines_that_fix_it(reason: str, fix: str) -> None:
    found = Verification(("sqlite",))
    failed = [Finding.of("V301", reason, "r1", "sqlite"), Finding.of("V301", "no such table: t", "r1", "sqlite")]

    (group,) = grouped(found, failed)

    assert any(fix in each for each in group.fixes), group.fixes
    assert len(group.fixes) == 1 + (fix != "Read the message of the engine.")
