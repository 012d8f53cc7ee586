"""Constraints that one revision makes NOT VALID, and a following revision validates."""

from __future__ import annotations

from pathlib import Path

from antarest.migration.project.revision_files import read_history
from antarest.migration.verify.findings.integrity import validated_later

MADE = "op.execute('ALTER TABLE t ADD CONSTRAINT Ck_t CHECK (id > 0) NOT VALID')"
VALIDATED = "op.execute('ALTER TABLE t VALIDATE CONSTRAINT Ck_t'); op.execute('ALTER TABLE u VALIDATE CONSTRAINT ck_u')"


def write(folder: Path, id_: str, down: str | None, body: str) -> None:
    text = f"revision = {id_!r}\ndown_revision = {down!r}\n\n\ndef upgrade():\n    {body}\n"
    (folder / f"{id_}.py").write_text(text)


def test_only_what_the_revision_itself_makes_and_a_following_one_validates(tmp_path: Path) -> None:
    write(tmp_path, "r1", None, VALIDATED)
    write(tmp_path, "r2", "r1", MADE)
    write(tmp_path, "r3", "r2", "pass")

    before = validated_later(read_history([tmp_path]), "r2")
    write(tmp_path, "r3", "r2", VALIDATED)
    history = read_history([tmp_path])

    assert before == set()
    assert validated_later(history, "r2") == {"ck_t"}
    assert validated_later(history, "r1") == set()
