"""A proof of an earlier run counts as long as nothing on which it depends has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from antarest.migration.errors.base import EXIT_FAILED
from antarest.migration.scratch.databases import KIND_VARIABLE, URL_VARIABLE, PostgresServer
from antarest.migration.verify.earlier import proofs
from antarest.migration.verify.earlier.files import FileWatch
from antarest.migration.verify.earlier.proofs import EarlierProofs
from antarest.migration.verify.env_reader import target_of
from antarest.migration.verify.target import Target
from tests.support.projects.checkouts import run
from tests.support.projects.verify import OTHERS

PROJECT = {
    "alembic.ini": "[alembic]\nscript_location = %(here)s\nprepend_sys_path = %(here)s\n",
    "env.py": "context.configure(render_as_batch=True)\n",
    "first.py": "import second\n",
    "second.py": "NAME = 'Anna'\n",
    "unrelated.py": "",
    "name.sql": "UPDATE person SET name = 'Berta'",
    "rows.py": "ROWS = {}\n",
    "versions/a1.py": """
import sqlalchemy as sa
from alembic import op
from importlib.metadata import version
from pathlib import Path
import first

revision = "a1"
down_revision = None


def upgrade():
    op.create_table("person", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50)))


def downgrade():
    op.drop_table("person")
""",
    "versions/a2.py": """
from alembic import op
from importlib.metadata import version
from pathlib import Path

revision = "a2"
down_revision = "a1"


def upgrade():
    op.execute(Path(__file__, "../../name.sql").resolve().read_text())


def downgrade():
    pass
""",
    "versions/a3.py": """
from alembic import op

revision = "a3"
down_revision = "a2"


def upgrade():
    op.create_index("ix_person_name", "person", ["name"])


def downgrade():
    op.drop_index("ix_person_name", "person")
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A history of three revisions. The first imports modules, the second reads a file and loses values."""
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def proved(project: Path, *flags: str) -> tuple[list[str], set[str]]:
    """Return the proofs that this run made itself ("" is that of the whole history), and the ids of all findings."""
    file = project / "found.json"
    done = run("antarest-verify", "--engine=sqlite", "--rows-from=rows.py", f"--json={file}", *flags, cwd=project)
    assert done.code == EXIT_FAILED, done.out + done.err
    found = json.loads(file.read_text())
    made = [each["revision"] for each in found["proofs"] if not each["earlier"]]
    assert ("from earlier runs" in done.out) == (len(made) < len(found["proofs"])), done.out
    return made, {each["id"] for each in found["findings"]}


def test_a_change_of_one_byte_makes_the_proof_again(project: Path) -> None:
    everything = ["a1", "a2", "a3"]
    first = proved(project)

    again = proved(project)
    (project / "unrelated.py").write_text("#")
    unrelated = proved(project)

    assert first[0] == everything
    assert "V504" in first[1]
    assert again == unrelated == ([], first[1])  # A proof that had findings shows them again.
    changes = {
        "second.py": ["a1"],  # a module that the revision imports imports it; the schema and the rows stay the same
        "name.sql": ["a2", "a3"],
        "versions/a3.py": ["a3"],
        "versions/a1.py": everything,
        "rows.py": everything,
    }
    for name, expected in changes.items():
        (project / name).write_text(PROJECT[name] + "\n")
        assert proved(project) == (expected, first[1]), name
        assert proved(project)[0] == [], name
    (project / "env.py").write_text(PROJECT["env.py"].replace("True", "False"))
    assert proved(project)[0] == everything
    assert proved(project, "--rows=4")[0] == everything


def test_a_later_revision_that_validates_a_constraint_makes_the_proof_of_the_constraint_again(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether r2 has a fault depends on r3: the constraint stays NOT VALID for ever, or only until r3."""
    monkeypatch.setenv(URL_VARIABLE, postgres.url.render_as_string(hide_password=False))
    monkeypatch.setenv(KIND_VARIABLE, "url")
    versions = Path(shutil.copytree(OTHERS / "validated_later" / "versions", tmp_path / "versions"))
    later, file = versions / "r3.py", tmp_path / "found.json"
    validates = later.read_text()

    def proved_again() -> tuple[list[str], set[tuple[str, str]]]:
        run("antarest-verify", "--engine=postgresql", f"--versions={versions}", f"--json={file}", cwd=tmp_path)
        found = json.loads(file.read_text())
        made = [each["revision"] for each in found["proofs"] if not each["earlier"]]
        return made, {(each["id"], each["revision"]) for each in found["findings"] if each["severity"] == "error"}

    assert proved_again() == (["r1", "r2", "r3"], set())
    later.write_text(
        validates.replace("VALIDATE CONSTRAINT", "RENAME CONSTRAINT").replace("id\"'", "id\" TO ck_other'")
    )
    assert proved_again()[0][:2] == ["r2", "r3"]
    assert ("V505", "r2") in proved_again()[1]
    later.write_text(validates)
    assert proved_again() == ([], set())  # The first proofs count again.


def test_kept_proofs_are_safe_to_delete_and_to_damage_and_stay_small(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, found = proved(project)
    folder = proofs.user_folder()

    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    damaged = proved(project)
    sizes = {path.stat().st_size for path in folder.iterdir()}
    monkeypatch.setattr(proofs, "_LARGEST", max(sizes))
    _earlier(target_of(str(project / "alembic.ini"), None, None, None)).shrink()

    assert damaged == (made, found)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= max(sizes)


@pytest.mark.parametrize("changed", ["sqlalchemy", "alembic", "server", "program", "installed", "option", "function"])
def test_another_version_has_other_proofs(project: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    target = target_of(str(project / "alembic.ini"), None, None, None)
    target.import_paths()
    revision = target.history["a1"]
    before = _earlier(target).name_of("", revision)
    changes: dict[str, Callable[[], None]] = {
        "program": lambda: monkeypatch.setattr(proofs, "_program", lambda: "another"),
        "installed": lambda: monkeypatch.setattr(proofs, "_installed", lambda: ["another-1.dist-info"]),
        "option": lambda: target.env_options.update(compare_type=False),
        "function": lambda: target.env_options.update(include_object=print),
        "server": lambda: monkeypatch.setattr(proofs, "_server", lambda _connection: "another"),
    }
    other = lambda name: "0" if name == changed else version(name)  # noqa: E731

    changes.get(changed, lambda: monkeypatch.setattr(proofs, "version", other))()

    assert _earlier(target).name_of("", revision) != before


def _earlier(target: Target) -> EarlierProofs:
    with create_engine("sqlite://").connect() as connection:
        return EarlierProofs(proofs.user_folder(), FileWatch(), target, connection)
