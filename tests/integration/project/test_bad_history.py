"""Revision files that are not a history, or fail, or are interrupted: one clear error, and nothing changed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, NOTHING_CHANGED
from tests.support.checks.refusals import parse
from tests.support.projects.workshop import COUNTRY, ENVIRONMENT, Workshop

RESET = {"allow_data_loss": True, "allow_production": True, "yes": True}  # a server in a container is not on this host
RIVER, ROAD = "b10000000000", "b20000000000"


# ---- revision files

FILES = {
    "syntax_error": ("db.E203", "b00000000000_create_river.py cannot be read: line 10: "),
    "no_revision_id": ("db.E203", "b00000000000_create_river.py cannot be read: it has no line revision = "),
    "missing_predecessor": ("db.E204", "c00000000000 follows b00000000000, and no revision file has that id"),
    "duplicate_id": ("db.E205", "revision b00000000000 is in more than one file"),
    "cycle": ("db.E206", "follow each other in a circle: b00000000000, c00000000000"),
}


@pytest.mark.parametrize("history", FILES)
def test_files_that_are_no_history(
    tmp_path: Path, sqlite_database: URL, history: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command reads the graph first, so all commands print the same error.

    A command reads the rest of a file only if it needs it. For example, `rollback` and `status` do not need the file of
    a revision that is not applied.
    """
    code, fact = FILES[history]
    here = Workshop.create(tmp_path, history, sqlite_database).at_country()

    for command in ("inv db.upgrade", "alembic upgrade head"):
        assert fact in here.refused(command, code).fact

    in_the_graph = () if history == "syntax_error" else ("rollback", "status", "rollback-script")
    for verb in (*in_the_graph, "history", "check"):
        assert here.refused_here(capsys, verb).code == code
    assert here.refused_here(capsys, "reset", allow_production=True).code == code
    (here.folder / "script.py.mako").write_text("")
    assert here.refused_here(capsys, "revision", message="add road").code == code


@pytest.mark.parametrize("statement", ["import nowhere", "from alembic.op import nowhere", "1 / 0"])
def test_a_file_that_cannot_be_imported(
    tmp_path: Path, sqlite_database: URL, statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The application is not installed here, or no longer has what an old revision imports from it."""
    here = Workshop.create(tmp_path, "merge", sqlite_database)
    here.workflow.upgrade()
    bridge = here.folder / "versions" / "d00000000000_create_bridge.py"
    bridge.write_text(f"{bridge.read_text()}\n{statement}\n")

    error = here.refused(here.ours("rollback", "--dry-run"), "db.E203") if statement == "import nowhere" else None

    for verb, options in (("rollback", {"dry_run": True}), ("reset", RESET)):
        error = here.refused_here(capsys, verb, **options)
        assert error.code == "db.E203"
        assert error.fact.startswith("the revision file d00000000000_create_bridge.py cannot be read: ")
    assert error
    assert (
        error.fact.rpartition(": ")[2] in {"No module named 'nowhere'", "division by zero"} or "nowhere" in error.fact
    )


@pytest.mark.parametrize("verb", ["upgrade", "downgrade"])
def test_a_file_without_the_function_that_a_run_needs(
    tmp_path: Path, empty_database: URL, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The template of a project may have no `downgrade`."""
    here = Workshop.create(tmp_path, "merge", empty_database)
    if verb == "downgrade":
        here.workflow.upgrade()
    bridge = here.folder / "versions" / "d00000000000_create_bridge.py"
    bridge.write_text(bridge.read_text().replace(f"def {verb}(", f"def {verb}_later("))

    told = [here.refused_here(capsys, "reset", **RESET) if verb == "upgrade" else here.refused_here(capsys, "rollback")]
    told.append(here.refused(f"alembic {verb} {'head' if verb == 'upgrade' else '-1'}", "db.E203"))

    for error in told:
        assert error.code == "db.E203"
        assert error.fact == f"the revision file {bridge.name} cannot be read: it has no function {verb}"


def test_a_downgrade_that_a_plan_is_the_first_to_run(tmp_path: Path, empty_database: URL) -> None:
    """The plan names the downgrade. Output and warnings of the downgrade on the scratch database are not shown."""
    here = Workshop.create(tmp_path, "merge", empty_database)
    here.workflow.upgrade()
    bridge = here.folder / "versions" / "d00000000000_create_bridge.py"
    text = bridge.read_text().replace("    op.drop_table", '    print("from the revision")\n    op.drop_table')
    bridge.write_text(text)
    planned = here.run(here.ours("rollback", "--dry-run"))
    bridge.write_text(text + '\n    op.drop_constraint(None, "bridge")\n')

    refused = here.refused(here.ours("rollback", "--dry-run"), "db.E610")

    assert refused.fact.startswith("the downgrade of revision d00000000000 fails on a scratch database: ")
    assert refused.commands == ["inv db.verify --revisions=d00000000000"]
    assert (planned.code, planned.err) == (EXIT_DONE, "")
    assert "from the revision" not in planned.out


def test_two_heads(tmp_path: Path, sqlite_database: URL, capsys: pytest.CaptureFixture[str]) -> None:
    """`head` is ambiguous then. The commands that only read still work, and so does an upgrade to one of the heads."""
    here = Workshop.create(tmp_path, "two_heads", sqlite_database).at_country()

    for command in (here.ours("upgrade"), "alembic upgrade head"):
        refused = here.refused(command, "db.E202")
        assert refused.fact == f"the history has 2 heads: {RIVER}, {ROAD}"
    for verb, options in (
        ("rollback-script", {}),
        ("reset", RESET),
        ("revision", {"message": "add road"}),
    ):
        assert here.refused_here(capsys, verb, **options).code == "db.E202"

    status = here.run(here.ours("status"))
    assert (status.code, status.err) == (EXIT_FAILED, "")
    assert f"heads          {RIVER}, {ROAD}" in status.out
    assert here.run(here.ours("upgrade", f"--to={ROAD}")).code == EXIT_DONE
    beside = here.refused(here.ours("upgrade", f"--to={RIVER}"), "db.E209")
    assert "inv db.upgrade --to=heads" in beside.commands
    assert here.run(here.ours("upgrade", "--to=heads --dry-run")).code == EXIT_DONE
    applied = here.run(here.ours("upgrade", "--to=heads"))
    assert (applied.code, applied.err) == (EXIT_DONE, "")
    assert f"the database is at {RIVER}, {ROAD}" in applied.out
    assert "nothing to do" in here.run(here.ours("upgrade", "--to=heads")).out


# ---- in the middle


def test_a_revision_that_fails(tmp_path: Path, empty_database: URL) -> None:
    """Earlier revisions in the same run are undone too, with their rows."""
    here = Workshop.create(tmp_path, "broken_upgrade", empty_database)
    here.workflow.upgrade(COUNTRY)
    is_sqlite = empty_database.get_backend_name() == "sqlite"

    refused = here.refused("inv db.upgrade" if is_sqlite else "alembic upgrade head", "db.E601")

    assert refused.fact.startswith("the upgrade of revision c00000000000 failed: ")
    assert "nowhere" in refused.fact
    assert f"the database is still at {COUNTRY}. 1 revision was undone with it." in refused.state


@pytest.mark.parametrize(
    ("engine_name", "program"),
    [
        ("sqlite", "inv db.upgrade"),
        ("postgresql", "python -m antarest.migration upgrade"),
        ("postgresql", "alembic upgrade head"),
    ],
    indirect=["engine_name"],
)
def test_an_upgrade_that_is_interrupted(tmp_path: Path, empty_database: URL, program: str) -> None:
    here = Workshop.create(tmp_path, "waiting_upgrade", empty_database)
    here.workflow.upgrade(COUNTRY)
    before = here.state()
    with subprocess.Popen(
        shlex.split(program),
        cwd=here.folder,
        env={**os.environ, **ENVIRONMENT, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert "waiting\n" in process.stdout  # reads until the second revision has done its part
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)

    assert process.returncode == EXIT_INTERRUPTED
    error = parse(said[said.index("error ") :])
    assert (error.code, error.fact) == ("db.E606", "interrupted")
    assert error.state.startswith(f"{NOTHING_CHANGED} The run was rolled back; the database is still at {COUNTRY}.")
    assert here.state() == before
