"""Which findings of a proof explain others."""

from __future__ import annotations

import pytest

from antarest.migration.commands.rendering.proof_causes import causes
from antarest.migration.verify import Verification
from antarest.migration.verify.findings.finding import Finding


@pytest.mark.parametrize(("item", "is_cause"), [("lake.depth", True), ("lake", True), ("ix_lake_depth", False)])
def test_only_a_column_or_table_explains_lost_values(item: str, is_cause: bool) -> None:
    left = Finding.of("V404", f"{item}: only in the downgraded schema", "r2", "sqlite", item=item, table="lake")
    lost = Finding.of("V502", "6 values of lake.depth", "r2", "sqlite", item="lake.depth", table="lake")

    found = causes(Verification(("sqlite",)), [left, lost])

    assert found == ({lost: left} if is_cause else {})


@pytest.mark.parametrize(("item", "is_cause"), [("kind", True), ("size", False), ("", False)])
def test_only_a_type_that_nobody_creates_explains_a_type_that_stays(item: str, *, is_cause: bool) -> None:
    failed = Finding.of("V301", f'type "{item}" does not exist', "r2", "postgresql", item=item)
    left = Finding.of("V404", "enum kind: only in the downgraded schema", "r2", "postgresql", item="enum kind")

    found = causes(Verification(("postgresql",)), [failed, left])

    assert found == ({left: failed} if is_cause else {})
