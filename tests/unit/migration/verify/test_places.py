"""The line of a revision file at which `--json`, `--sarif` and `--github` show a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from antarest.migration.commands.rendering.proof_groups import place_of
from antarest.migration.verify.env_reader import target_of
from antarest.migration.verify.findings.finding import Finding

REVISION = """import json
revision = "r1"
down_revision = None


def upgrade():
    json.loads("")


def downgrade():
    json.loads("")
"""
JSON = "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"


@pytest.mark.parametrize(
    ("id_", "text", "line"),
    [
        ("V201", "line 1 imports json", 1),
        ("V202", "the loop in line 7", 7),
        ("V302", JSON, 6),
        ("V402", JSON, 10),
        ("V406", "NotImplementedError", 10),
        ("V407", "role reader: no right", 10),
        ("V503", "downgrade: t.a", 10),
        ("V509", f"V302: {JSON}", 6),
        ("V509", f"V402: {JSON}", 10),
        ("V509", "V502: 2 rows of t", 10),
    ],
)
def test_a_finding_is_at_the_function_that_causes_it(id_: str, text: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "r1.py"
    file.write_text(REVISION)
    target = target_of(None, str(tmp_path), None, None)

    assert place_of(Finding.of(id_, text, "r1", "sqlite"), target) == (file, line)


def test_a_file_without_a_downgrade_has_its_findings_at_the_upgrade(tmp_path: Path) -> None:
    (tmp_path / "r1.py").write_text(REVISION.partition("def downgrade")[0])
    target = target_of(None, str(tmp_path), None, None)

    assert place_of(Finding.of("V406", "the file has no function downgrade()", "r1"), target)[1] == 6
