"""The tables of exit codes are true: every code in them is produced, and every produced code is in them."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

import pytest
from sqlalchemy import URL

from antarest.migration.errors import base
from tests.support.programs.runs import GATE, Runner, Start
from tests.support.projects.checkouts import ROOT, Result
from tests.support.projects.histories import Script

OWN = Script("first", upgrade='op.create_table("t", sa.Column("id", sa.Integer))', transaction="own")
FAILS = Script("second", upgrade='sql("not SQL")')
NOWHERE = URL.create("postgresql+psycopg2", "antarest", "secret", "127.0.0.1", 1, "antarest")


def done(here: Runner) -> Result:
    """Run an upgrade until its end."""
    here.open()
    return here.module("upgrade").end()


def unreachable(here: Runner) -> Result:
    """Run a command on a server that does not answer."""
    here.configure(NOWHERE)
    return here.module("upgrade").end()


def locked(here: Runner) -> Result:
    """Run a command while another one has the lock."""
    here.started()
    return here.module("upgrade", "--lock-timeout=0").end()


def signalled(number: signal.Signals) -> Callable[[Runner], Result]:
    """Run a command that gets a signal."""

    def provoke(here: Runner) -> Result:
        run = here.started()
        run.process.send_signal(number)
        here.open()
        return run.end()

    return provoke


def unreported(here: Runner) -> Result:
    """Run an upgrade whose reader ends."""
    run = here.started()
    assert run.process.stdout
    run.process.stdout.close()
    here.open()
    return run.end()


def called(*words: str) -> Callable[[Runner], Result]:
    """Run one command."""
    return lambda here: here.module(*words).end()


def again(here: Runner) -> Result:
    """Run an upgrade for the second time, so that it has nothing to do."""
    assert done(here).code == 0
    return done(here)


PROVOKED: dict[int, dict[str, Callable[[Runner], Result]]] = {
    0: {"done": done, "nothing to do": again},
    1: {"refused": called("upgrade", "--to=nowhere"), "not at head": called("status")},
    2: {"usage": called("upgrade", "--nowhere"), "configuration": called("upgrade", "--config=nowhere")},
    3: {"unreachable": unreachable},
    4: {"locked": locked},
    5: {"unreported": unreported},
    130: {"Ctrl-C": signalled(signal.SIGINT)},
    143: {"SIGTERM": signalled(signal.SIGTERM)},
}


@pytest.mark.parametrize(
    ("code", "provoke"),
    [pytest.param(code, way, id=f"{code} {name}") for code, ways in PROVOKED.items() for name, way in ways.items()],
)
def test_a_code_means_what_the_tables_say(
    runner: Start, sqlite_database: URL, code: int, provoke: Callable[[Runner], Result]
) -> None:
    result = provoke(runner(sqlite_database, Script("waits", upgrade=GATE)))

    assert result.code == code, result


def test_a_run_in_segments_that_fails_says_how_far_it_came(runner: Start, sqlite_database: URL) -> None:
    here = runner(sqlite_database, OWN, FAILS)

    result = here.module("upgrade").end()

    assert result.code == 1
    assert "Stopped at first: 1 of 2 revisions was applied." in result.err
    assert here.database.value("SELECT version_num FROM alembic_version") == "first"


def test_the_tables_name_every_code() -> None:
    codes = {value for name, value in vars(base).items() if name.startswith("EXIT_")}
    readme = {
        int(code)
        for row in re.findall(r"^\| ([\d, ]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
        for code in row.split(",")
    }
    header = (ROOT / "scripts" / "rollback.sh").read_text().partition("# Exit codes: ")[2].partition("#\n")[0]

    assert readme == codes
    # Only a proof ends with this code, and no rollback: `test_verify_foreign.py` produces it.
    assert {*PROVOKED} == codes - {base.EXIT_NOT_PROVED} == {int(code) for code in re.findall(r"\b\d+\b", header)}


def test_no_table_promises_that_a_failure_changes_nothing() -> None:
    """A run in segments keeps the segments that it has committed."""
    for name in ("README.md", "scripts/rollback.sh", "docs/errors.md"):
        assert "(nothing was changed)" not in (ROOT / name).read_text(), name
