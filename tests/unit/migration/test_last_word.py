"""How a command ended is said to the end, whoever interrupts it then, and whoever no longer reads its output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from signal import SIGINT, SIGTERM, Signals

import pytest

from antarest.core.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_USAGE
from tests.refusals import parse

signals = pytest.mark.parametrize("sent", [SIGINT, SIGTERM], ids=lambda each: each.name)

BEGIN = """
import signal, sys
from antarest.core.errors import Hint, UsageError
from antarest.migration.boundary import Session, guard, terminating

session = Session(None, None)
"""
AS_IT_IS_TOLD = f"""{BEGIN}
def told(error):
    signal.raise_signal({{sent}})
    return error

def end():
    raise UsageError("no such thing", hints=[Hint("Look", "inv db.status")])

session.known = told
with terminating():
    sys.exit(guard(session, end))
"""
TWICE = f"""{BEGIN}
session.progress.stop = lambda: signal.raise_signal({{sent}})

with terminating():
    sys.exit(guard(session, lambda: signal.raise_signal({{sent}})))
"""
IN_EXEC = f"""{BEGIN}
with terminating():
    sys.exit(guard(session, lambda: exec("signal.raise_signal({{sent}})")))
"""
NOBODY_READS = f"""{BEGIN}
def end():
    sys.stdout.write("for nobody")
    {{end}}

sys.exit(guard(session, end))
"""


def run(script: str, stdout: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    """Run a script, and return what it printed as its errors."""
    words = [sys.executable, "-c", script]
    env = {**os.environ, "PYTHONUNBUFFERED": ""}
    return subprocess.run(words, check=False, text=True, stdout=stdout, stderr=subprocess.PIPE, env=env)


@signals
def test_an_error_that_is_being_told_is_told_to_its_end(sent: Signals) -> None:
    told = run(AS_IT_IS_TOLD.format(sent=int(sent)))

    assert told.returncode == EXIT_USAGE
    refused = parse(told.stderr)
    assert (refused.fact, refused.commands) == ("no such thing", ["inv db.status"])


@signals
def test_a_second_signal_finds_the_first_one_told(sent: Signals) -> None:
    told = run(TWICE.format(sent=int(sent)))

    assert told.returncode == {SIGINT: EXIT_INTERRUPTED, SIGTERM: EXIT_TERMINATED}[sent]
    first, *others = told.stderr.strip().splitlines()
    assert first == "interrupted: a run that was not committed was rolled back"
    assert [line.strip().split(":")[0] for line in others] == ["See where the database is"]


@signals
def test_the_exit_code_is_the_same_wherever_the_signal_was_served(sent: Signals) -> None:
    """CPython ends by SIGINT after all, where a KeyboardInterrupt has left the code of a text that it ran."""
    assert run(IN_EXEC.format(sent=int(sent))).returncode == 128 + sent


@pytest.fixture
def nobody() -> Iterator[int]:
    """The writing end of a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_an_error_is_told_where_nobody_reads_the_output(nobody: int) -> None:
    told = run(NOBODY_READS.format(end='raise UsageError("no", hints=[Hint("Look", "inv db.status")])'), nobody)

    assert told.returncode == EXIT_USAGE
    refused = parse(told.stderr)
    assert (refused.fact, refused.commands) == ("no", ["inv db.status"])


def test_what_nobody_reads_is_no_error(nobody: int) -> None:
    told = run(NOBODY_READS.format(end="sys.stdout.flush()"), nobody)

    assert (told.returncode, told.stderr) == (EXIT_FAILED, "")
