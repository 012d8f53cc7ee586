"""How a program begins and ends, before its modules are imported and after its output is closed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import pytest
from sqlalchemy import URL, make_url

from antarest.migration.errors.base import EXIT_DONE, EXIT_USAGE
from tests.support.checks.refusals import refusal
from tests.support.programs.both_ways import PROGRAMS
from tests.support.projects import checkouts
from tests.support.projects.checkouts import ROOT, ConfigFile, Result

signals = pytest.mark.parametrize("sent", [SIGINT, SIGTERM], ids=lambda each: each.name)

# At exit, Python's handlers stay for another moment. A signal at this moment comes after the last output.
AT_THE_END = """
import atexit, os, sys
from antarest.migration.errors.settings import bootstrap

bootstrap.prepare("antarest/main.py")
atexit.register(os.kill, os.getpid(), {sent})
sys.exit(bootstrap.finish(7))
"""

AT_THE_START = """
import signal, sys
from antarest.migration.errors.settings import bootstrap

signal.signal({sent}, {before})
bootstrap.prepare("antarest/main.py", always={always})
signal.raise_signal({sent})
sys.exit(7)
"""


# A shell starts a program in the background in this way. The test then reads the answer to a signal.
IN_THE_BACKGROUND = """
import runpy, signal, sys

for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, signal.SIG_IGN)
sys.argv = ["program", "--help"]
try:
    runpy.run_path("antarest/{program}.py", run_name="__main__")
except SystemExit:
    sys.exit([signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)].count(signal.SIG_IGN))
"""


def run(*words: str | Path, path: Path = ROOT) -> Result:
    """Run a program in a new Python."""
    env = {**os.environ, "PYTHONPATH": f"{path}:{ROOT}"}
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=env, check=False, capture_output=True, text=True)
    return Result(done.returncode, done.stdout, done.stderr)


@signals
def test_a_signal_after_the_last_word_changes_nothing(sent: Signals) -> None:
    assert run("-c", AT_THE_END.format(sent=int(sent))).code == 7


@signals
@pytest.mark.parametrize("words", [("-m", "antarest.migration", "history"), (PROGRAMS / "inv", "db.history")])
def test_no_command_is_ended_by_a_signal_after_its_last_word(
    tmp_path: Path, config_file: ConfigFile, words: tuple[str | Path, ...], sent: Signals
) -> None:
    # The module that Python runs at its start registers its function first, so it is called last.
    started = f"import atexit, os; atexit.register(os.kill, os.getpid(), {int(sent)})"
    (tmp_path / "sitecustomize.py").write_text(started, encoding="utf-8")
    config = config_file(URL.create("sqlite", database=str(tmp_path / "no.db")))

    done = run(*words, f"--config={config}", path=tmp_path)

    assert (done.code, done.err) == (EXIT_DONE, "")


@pytest.mark.parametrize("program", ["main", "gui"])
def test_a_server_ends_on_signals_that_its_starter_ignores(program: str) -> None:
    assert run("-c", IN_THE_BACKGROUND.format(program=program)).code == 0


@signals
@pytest.mark.parametrize("always", [True, False])
def test_a_signal_before_anything_has_begun_ends_it_without_a_word(sent: Signals, always: bool) -> None:
    before = "signal.default_int_handler" if sent == SIGINT else "signal.SIG_DFL"
    ended = run("-c", AT_THE_START.format(sent=int(sent), before=before, always=always))

    assert (ended.code, ended.err) == (128 + sent, "")


@signals
def test_an_ignored_signal_stays_ignored_but_where_it_must_not(sent: Signals) -> None:
    """A shell ignores Ctrl-C for programs in the background. But the first process of a container has to react."""
    codes = [
        run("-c", AT_THE_START.format(sent=int(sent), before="signal.SIG_IGN", always=always)).code
        for always in (False, True)
    ]

    assert codes == [7, 128 + sent]


@pytest.mark.parametrize("program", ["antarest.migration", "antarest.main", "antarest.gui", "tasks"])
def test_on_another_system_a_program_says_which_ones_are_supported(program: str) -> None:
    # SQLAlchemy would look for the files of that system when it is imported.
    code = (
        "import invoke, runpy, sys, antarest.migration.commands.table\n"
        f"sys.platform = 'win32'\nrunpy.run_module('{program}', run_name='__main__')"
    )

    refused = refusal(run("-c", code), "app.E106", EXIT_USAGE)

    assert refused.fact == "this program runs on Linux and macOS, and not on win32"
    assert refused.hints == (("On Windows, start it in the Windows Subsystem for Linux.", ""),)


def test_without_its_packages_a_program_says_what_to_install() -> None:
    """For example, the environment of a checkout is gone, and `rollback.sh` uses the Python of the system."""
    refused = refusal(run("-S", "-m", "antarest.migration", "status"), "app.E106", EXIT_USAGE)

    assert "has no package alembic" in refused.fact
    assert refused.commands == ["make install", ".venv/bin/python -m antarest.migration status"]


@pytest.mark.parametrize("program", ["python -m antarest.migration history", "inv db.history"])
@pytest.mark.parametrize("stream", [1, 2])
def test_a_closed_stream_changes_no_exit_code(
    program: str, stream: int, config_file: ConfigFile, tmp_path: Path
) -> None:
    config = config_file(make_url(f"sqlite:///{tmp_path / 'app.db'}"))

    done = checkouts.run("bash", "-c", f"{program} --config={config} {stream}>&-")

    assert done.code == 0, done.err
