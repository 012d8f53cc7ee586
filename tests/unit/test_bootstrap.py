"""How a program begins and ends, before and after anything of it can be relied on."""

from __future__ import annotations

import subprocess
import sys
from signal import SIGINT, SIGTERM, Signals

import pytest

from antarest.core.errors import EXIT_USAGE
from tests.refusals import refusal
from tests.support import ROOT, Result

signals = pytest.mark.parametrize("sent", [SIGINT, SIGTERM], ids=lambda each: each.name)

# At exit, Python's handlers are in place for a moment longer; what arrives then arrives after the last word.
AT_THE_END = """
import atexit, os, sys
from antarest import bootstrap

bootstrap.prepare("antarest/main.py")
atexit.register(os.kill, os.getpid(), {sent})
sys.exit(bootstrap.finish(7))
"""

AT_THE_START = """
import signal, sys
from antarest import bootstrap

signal.signal({sent}, {before})
bootstrap.prepare("antarest/main.py", always={always})
signal.raise_signal({sent})
sys.exit(7)
"""


def run(*words: str) -> Result:
    """Run a Python that forgets nothing of its start."""
    done = subprocess.run([sys.executable, *words], cwd=ROOT, check=False, capture_output=True, text=True)
    return Result(done.returncode, done.stdout, done.stderr)


@signals
def test_a_signal_after_the_last_word_changes_nothing(sent: Signals) -> None:
    assert run("-c", AT_THE_END.format(sent=int(sent))).code == 7


@signals
@pytest.mark.parametrize("always", [True, False])
def test_a_signal_before_anything_has_begun_ends_it_without_a_word(sent: Signals, always: bool) -> None:
    before = "signal.default_int_handler" if sent == SIGINT else "signal.SIG_DFL"
    ended = run("-c", AT_THE_START.format(sent=int(sent), before=before, always=always))

    assert (ended.code, ended.err) == (128 + sent, "")


@signals
def test_an_ignored_signal_stays_ignored_but_where_it_must_not(sent: Signals) -> None:
    """A shell ignores Ctrl-C for what it has in the background; the first process of a container has to hear it."""
    codes = [
        run("-c", AT_THE_START.format(sent=int(sent), before="signal.SIG_IGN", always=always)).code
        for always in (False, True)
    ]

    assert codes == [7, 128 + sent]


def test_without_its_packages_a_program_says_what_to_install() -> None:
    """So it is when the environment of a checkout has gone, and `rollback.sh` takes the Python of the system."""
    refused = refusal(run("-S", "-m", "antarest.migration", "status"), "app.E106", EXIT_USAGE)

    assert "has no package alembic" in refused.fact
    assert refused.commands == ["make install", ".venv/bin/python -m antarest.migration status"]
