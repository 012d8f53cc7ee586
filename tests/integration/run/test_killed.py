"""A killed command leaves each file of the project either unchanged or complete."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from antarest.migration.errors.base import EXIT_FAILED, EXIT_USAGE
from antarest.migration.project.rollback_script import parse
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import RESERVE, Clone, change_models, table, well, with_models
from tests.support.projects.checkouts import run

KILLED = """
import os, signal, sys
from antarest.migration.commands import program

moment, folder, *words = sys.argv[1:]
seen = 0

def kill(event, arguments):
    global seen
    writes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")
    writes = writes or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    path = str(arguments[0]) if writes else ""
    if writes and path.startswith(folder) and "/.git/antarest/scratch" not in path and "__pycache__" not in path:
        seen += 1
        if seen == int(moment):
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
sys.exit(program.main(words))
"""
"""A command that kills itself before the change of a file in a folder: the first change, the second, and so on."""


def kill_at_each_moment(clone: Clone, *words: str) -> list[str]:
    """Run a command again and again from the same state, and kill it at a later moment each time, until it completes.

    Returns:
        The output of the next command after each kill.
    """
    clone.inv("history")  # writes the configuration
    saved = clone.folder.with_name("saved")
    shutil.copytree(clone.folder, saved, dirs_exist_ok=True)
    said, heads = list[str](), clone.project.history.heads
    for moment in range(1, 100):
        shutil.rmtree(clone.folder)
        shutil.copytree(saved, clone.folder)
        done = run(
            *(sys.executable, "-c", KILLED, str(moment), str(clone.folder), *words),
            cwd=clone.folder,
            env={"ANTAREST_CONF": str(clone.folder.with_name(f"{clone.folder.name}.yaml"))},
        )
        if done.code >= 0:
            assert done.code == 0, done.err
            return said
        looked = clone.inv("history")
        assert looked.code == 0, looked.err
        said.append(looked.err)
        assert not [path for path in clone.folder.rglob(".writing-*") if ".git" not in path.parts]
        assert clone.project.history.heads == heads
        if looked.err:
            well(clone.inv(*words))
    raise AssertionError("it never ended")


def test_a_revision_that_is_written_again_is_never_lost(small: Clone) -> None:
    with_models(small)
    change_models(small, RESERVE.format("size"))
    well(small.inv("revision", "--message=add reserve"))
    head = small.project.history.head
    change_models(small, RESERVE.format("height"))

    said = kill_at_each_moment(small, "revision", "--amend")

    assert len(said) > 5
    assert any("a killed command has left it" in each for each in said)
    assert small.project.history.head == head
    assert "height" in small.project.history[head].path.read_text()


def test_a_file_that_is_rewritten_is_the_old_one_or_the_new_one(small: Clone) -> None:
    with_models(small)
    small.add(table("reserve"))
    (small.folder / "rollback.sh").write_text("# too old\n")

    assert kill_at_each_moment(small, "rollback-script")
    assert kill_at_each_moment(small, "deployed", "base_00000000")
    assert parse(small.folder / "rollback.sh") == ("base_00000000", "reserve_00000000")


def test_a_new_revision_that_does_not_run_yet_stays_and_is_named(small: Clone) -> None:
    with_models(small)
    template = small.folder / "alembic" / "script.py.mako"
    template.write_text(template.read_text().replace("def upgrade() -> None:\n", "def upgrade() -> None:\n    ours\n"))
    change_models(small, RESERVE.format("size"))

    refused = refusal(small.inv("revision", "--message=add reserve"), "db.E615", EXIT_FAILED)

    assert "'ours' is not defined" in refused.fact
    assert Path(refused.details["file"]) in list(small.versions.glob("*_add_reserve.py"))
    assert parse(small.folder / "rollback.sh")[0] == "base_00000000"


def test_a_revision_does_not_overwrite_another_one(small: Clone) -> None:
    with_models(small)
    ini = small.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("[alembic]", "[alembic]\nfile_template = %%(slug)s"))
    well(small.inv("revision", "--empty", "--message=add reserve"))
    before = (small.versions / "add_reserve.py").read_text()

    refused = refusal(small.inv("revision", "--empty", "--message=add reserve"), "usage.E101", EXIT_USAGE)

    assert "there is a revision file add_reserve.py already" in refused.fact
    assert (small.versions / "add_reserve.py").read_text() == before
