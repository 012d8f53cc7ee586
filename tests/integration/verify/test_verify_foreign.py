"""`db.verify` on projects that do not use this workflow: its flags, the parts that it cannot prove, and `env.py`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_NOT_PROVED, EXIT_USAGE
from tests.support.checks.refusals import refusal
from tests.support.projects.checkouts import Run
from tests.support.projects.verify import OTHERS, ini_of, revisions

pytestmark = pytest.mark.usefixtures("scratch_here")  # The commands start no server.
PROGRAM = "antarest-verify"
EMPTY = """
def upgrade():
    pass


def downgrade():
    pass
"""
MODULE = ("python", "-m", "antarest.migration", "verify")


def test_an_error_that_nobody_expects_leaves_only_its_own_part_unproved(run: Run, tmp_path: Path) -> None:
    rows, found = tmp_path / "rows.py", tmp_path / "found.json"
    rows.write_text('def values_at(revisions):\n    return {1 / ("b00000000000" not in revisions): []} and {}\n')

    flags = (
        f"--project={ini_of('clean_move')}",
        "--engine=sqlite",
        f"--rows-from={rows}",
        f"--json={found}",
        "--debug",
    )
    done = run(PROGRAM, *flags, traceback=True)

    assert done.code == EXIT_NOT_PROVED
    assert "error db.E805: db.verify has no finding, and 2 things could not be proved" in done.err
    assert "ZeroDivisionError" in done.err
    data = json.loads(found.read_text())
    assert (data["findings"], data["complete"], data["clean"]) == ([], False, False)
    assert [(each["revision"], each["reason"]) for each in data["not_proved"]] == [
        ("b00000000000", "the rows after the upgrade: ZeroDivisionError: division by zero"),
        ("", "the changes to rows at head: ZeroDivisionError: division by zero"),
    ]
    assert all("rows.py" in each["traceback"] for each in data["not_proved"])
    assert revisions(done) == ["a00000000000", "b00000000000"]


def test_what_needs_an_extension_that_the_server_lacks_is_not_proved(run: Run, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    down = None
    for name, up, back in (
        ("r1", "CREATE EXTENSION antarest_nowhere", "DROP EXTENSION antarest_nowhere"),
        ("r2", "CREATE TABLE other (id INTEGER PRIMARY KEY)", "DROP TABLE other"),
        ("r3", "CREATE TABLE place (at nowhere)", "DROP TABLE place"),
        ("r4", "CREATE INDEX place_at ON place (at)", "DROP INDEX place_at"),
    ):
        body = f"def upgrade():\n    op.execute({up!r})\ndef downgrade():\n    op.execute({back!r})\n"
        head = f"from alembic import op\nrevision = {name!r}\ndown_revision = {down!r}\n"
        (tmp_path / "versions" / f"{name}.py").write_text(head + body)
        down = name
    found = tmp_path / "found.json"

    done = run(PROGRAM, f"--project={tmp_path / 'alembic.ini'}", "--engine=postgresql", f"--json={found}")

    assert done.code == EXIT_NOT_PROVED, done.out + done.err
    reasons = {each["revision"]: each["reason"] for each in json.loads(found.read_text())["not_proved"]}
    assert "the PostgreSQL server of the proof has no extension antarest_nowhere" in reasons["r3"]
    assert {*reasons} == {"r1", "r3", "r4", ""}


def test_a_folder_with_the_name_of_a_module_of_python_does_not_end_the_proof(run: Run, tmp_path: Path) -> None:
    """Python itself imports `types` when the process of an engine starts. A revision does not notice it."""
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "__init__.py").write_text("")
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "r1.py").write_text(
        f'import os\nassert "PYTHONSAFEPATH" not in os.environ\nrevision = "r1"\ndown_revision = None\n{EMPTY}'
    )

    done = run(PROGRAM, "--versions=versions", "--engine=sqlite", cwd=tmp_path)

    assert (done.code, done.err) == (EXIT_DONE, "")


def test_all_files_that_cannot_be_imported_are_named_in_one_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    for number in range(8):
        name = "import nowhere_at_all" if number % 2 else "def upgrade(:" if number > 5 else ""
        (tmp_path / "versions" / f"r{number}.py").write_text(
            f'{name}\nrevision = "r{number}"\ndown_revision = {f"r{number - 1}" if number else None!r}\n{EMPTY}'
        )

    done = run(PROGRAM, "--versions=versions", "--engine=sqlite", f"--sarif={tmp_path / 'found'}", cwd=tmp_path)

    places = [
        each["locations"][0]["physicalLocation"]
        for each in json.loads((tmp_path / "found").read_text())["runs"][0]["results"]
    ]
    assert {each["artifactLocation"]["uri"] for each in places} == {f"versions/r{each}.py" for each in (1, 3, 5, 6, 7)}
    assert "\nthe history  versions\n" in done.out
    reason = "cannot be read: ModuleNotFoundError: No module named 'nowhere_at_all'"
    assert f"    the revision file r1.py {reason}; the same: r3.py, r5.py, r7.py\n" in done.out, done.out
    assert "    the revision file r6.py cannot be read: line 1: invalid syntax\n" in done.out, done.out
    assert "V106 the revision files cannot be imported: 2\n" in done.out, done.out


def test_a_history_starts_from_tables_that_something_else_makes(run: Run, tmp_path: Path) -> None:
    shutil.copytree(OTHERS / "tables_from_elsewhere", tmp_path / "project")
    flags = ("--versions=versions", "--start=sqlite=start.sql,postgresql=elsewhere:make")

    without = run(PROGRAM, *flags[:1], "--engine=sqlite", cwd=tmp_path / "project")
    done = run(PROGRAM, *flags, cwd=tmp_path / "project")
    wrong = refusal(run(*MODULE, *flags[:1], "--start=nothing", cwd=tmp_path / "project"), "usage.E101", EXIT_USAGE)

    assert re.search(r"^r1 +V307 +- +- +-$", without.out, re.MULTILINE), without.out
    assert (done.code, revisions(done)) == (EXIT_DONE, ["r1"]), done.out + done.err
    assert wrong.fact == "--start is 'nothing'"


def test_the_models_may_need_what_an_administrator_creates(run: Run, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "start.sql").write_text("CREATE SCHEMA app; CREATE DOMAIN app.short AS VARCHAR(9);")
    (tmp_path / "versions" / "r1.py").write_text(
        'from alembic import op\nrevision = "r1"\ndown_revision = None\n\n\n'
        'def upgrade():\n    op.execute("CREATE TABLE app.t (id INTEGER PRIMARY KEY, s app.short)")\n\n\n'
        'def downgrade():\n    op.execute("DROP TABLE app.t")\n'
    )
    (tmp_path / "shop_models.py").write_text(
        "import sqlalchemy as sa\nfrom sqlalchemy.dialects.postgresql import DOMAIN\n"
        "metadata = sa.MetaData(schema='app')\n"
        "short = DOMAIN('short', sa.String(9), schema='app', create_type=False)\n"
        "sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),"
        " sa.Column('s', short))\n"
    )
    flags = ("--versions=versions", "--engine=postgresql", "--metadata=shop_models:metadata")

    without = run(PROGRAM, *flags, cwd=tmp_path)
    done = run(PROGRAM, *flags, "--start=start.sql", cwd=tmp_path)

    assert "create it in a file of SQL for `--start`" in without.out
    assert "not proved" not in done.out, done.out
    assert done.code == EXIT_DONE, done.out + done.err


def test_a_module_that_is_called_like_one_of_python_hides_nothing(run: Run) -> None:
    done = run(PROGRAM, f"--project={OTHERS / 'package_hides_stdlib' / 'alembic.ini'}")

    assert (done.code, revisions(done)) == (EXIT_DONE, ["a1"]), done.err


def test_the_package_of_a_project_may_have_the_name_of_the_package_around_the_proof(tmp_path: Path, run: Run) -> None:
    """The package of AntaREST is called `antarest` too, and its revisions import it."""
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\nprepend_sys_path = .\n")
    (tmp_path / "antarest" / "study").mkdir(parents=True)
    (tmp_path / "antarest" / "__init__.py").write_text("import sqlalchemy as sa\nmetadata = sa.MetaData()\n")
    (tmp_path / "antarest" / "study" / "names.py").write_text(
        "import sqlalchemy as sa\nfrom antarest import metadata\n"
        "T = sa.Table('t', metadata, sa.Column('a', sa.Integer))\n"
    )
    (tmp_path / "env.py").write_text(
        "from alembic import context\nfrom antarest.study.names import metadata\n"
        "context.configure(target_metadata=metadata)\n"
    )
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "r1.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nfrom antarest.study.names import T\n"
        'revision = "r1"\ndown_revision = None\n'
        "def upgrade():\n    op.create_table(T.name, sa.Column('a', sa.Integer))\n"
        "def downgrade():\n    op.drop_table(T.name)\n"
    )

    by_ini = run(PROGRAM, "--engine=sqlite", f"--project={tmp_path / 'alembic.ini'}")
    by_folder = run(PROGRAM, "--engine=sqlite", f"--versions={tmp_path / 'versions'}")

    for done in (by_ini, by_folder):  # The models equal the schema, and the only finding is the import itself.
        assert re.findall(r"^(V\d+|not proved)", done.out, re.MULTILINE) == ["V201"], done.out + done.err


def test_a_type_that_nobody_creates_explains_that_the_downgrade_leaves_it(run: Run, tmp_path: Path) -> None:
    versions = shutil.copytree(OTHERS / "enum_type_missing_or_made_twice" / "versions", tmp_path / "versions")
    (versions / "r2.py").write_text((versions / "r2.py").read_text().replace('op.execute("DROP TYPE kind")', "pass"))

    done = run(PROGRAM, f"--versions={versions}", "--engine=postgresql", "--revisions=:r2")

    assert "\nV404" not in done.out
    assert '    PostgreSQL: type "kind" does not exist\n      so V404: enum kind' in done.out, done.out + done.err


def test_a_note_about_a_failure_that_was_seen_is_listed_and_others_are_counted(run: Run) -> None:
    done = run(PROGRAM, f"--versions={OTHERS / 'index_on_long_text' / 'versions'}", "--engine=postgresql")

    assert "\nV510 a text may be too long for an index (note): 2 in r3, r2\n" in done.out
    assert "\n    PostgreSQL: V302: index row " in done.out
    assert "--notes" not in done.out
    other = run(PROGRAM, f"--versions={OTHERS / 'shortened_names' / 'versions'}", "--engine=postgresql")
    assert re.search(r"^notes: V\d+ \d+.*; --notes lists them$", other.out, re.MULTILINE), other.out


def test_the_tables_without_a_model_are_named(run: Run) -> None:
    done = run(PROGRAM, f"--project={ini_of('models_not_imported')}", "--engine=sqlite")

    assert re.search(r"^    SQLite: \d+ of \d+ tables have no model: \w+, \w+", done.out, re.MULTILINE), done.out
