"""A command prints its whole result, even if it is interrupted then, or if nobody reads its output any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import pytest

from antarest.migration.commands.boundary import CommandContext, guard
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_UNREPORTED, EXIT_USAGE, NOTHING_CHANGED
from tests.support.checks.refusals import parse
from tests.support.projects.checkouts import ROOT, Result

signals = pytest.mark.parametrize("sent", [SIGINT, SIGTERM], ids=lambda each: each.name)

GUARD = """
import signal, sys
from antarest.migration.errors.settings import bootstrap
from antarest.migration.errors.base import Hint
from antarest.migration.errors.facts.configuration import UsageError
from antarest.migration.commands.boundary import CommandContext, guard

bootstrap.prepare("-c")
context = CommandContext(None, None)
known = context.known

def refuse():
    raise UsageError("no such thing", Hint("Look", "inv db.status"))
"""
AS_IT_IS_TOLD = """
context.known = lambda error: (signal.raise_signal({sent}), known(error))[1]
sys.exit(guard(context, refuse))
"""
TWICE = """
context.progress.stop = lambda: signal.raise_signal({sent})
sys.exit(guard(context, lambda: signal.raise_signal({sent})))
"""
IN_EXEC = """
sys.exit(guard(context, lambda: exec("signal.raise_signal({sent})")))
"""
# The signal comes at the call and at the end of each function in turn, each time in a new process.
AT_EACH_CALL = """
import os

call = {call}

def interrupt_at(moment):
    seen = 0

    def count(frame, event, _):
        nonlocal seen
        seen += frame.f_code.co_filename.endswith(("boundary.py", "contextlib.py", "signals.py"))
        if seen == moment:
            sys.setprofile(None)
            signal.raise_signal({sent})

    sys.setprofile(count)
    code = guard(context, call)
    is_over = seen < moment
    sys.setprofile(None)
    sys.stderr.write("over" if is_over else "")
    sys.stderr.flush()
    os._exit(code)

for moment in range(1, 1000):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writer, 2)
        interrupt_at(moment)
    os.close(writer)
    with open(reader) as said:
        text = said.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if text.endswith("over"):
        break
    print(code, repr(text), flush=True)
"""


def run(
    script: str, *, module: Path | None = None, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> Result:
    """Run a script, or write it to the file `module` and run this module."""
    words = ["-c", GUARD + script]
    if module:
        module.write_text(GUARD + script, encoding="utf-8")
        words = ["-m", module.stem]
    env = {**os.environ, "PYTHONUNBUFFERED": "", "PYTHONPATH": f"{ROOT}:{module.parent if module else ''}"}
    done = subprocess.run([sys.executable, *words], check=False, text=True, stdout=stdout, stderr=stderr, env=env)
    return Result(done.returncode, done.stdout or "", done.stderr or "")


@signals
def test_an_error_that_is_being_told_is_told_to_its_end(sent: Signals) -> None:
    told = run(AS_IT_IS_TOLD.format(sent=int(sent)))

    assert told.code == EXIT_USAGE
    refused = parse(told.err)
    assert (refused.fact, refused.commands) == ("no such thing", ["inv db.status"])


@signals
def test_a_second_signal_finds_the_first_one_told(sent: Signals) -> None:
    told = run(TWICE.format(sent=int(sent)))

    assert told.code == 128 + sent
    first, *others = told.err.strip().splitlines()
    assert first == "interrupted: what was not committed was rolled back"
    assert [line.strip().split(":")[0] for line in others] == ["See where the database is"]


def test_an_interruption_after_a_commit_names_where_the_database_is() -> None:
    call = "lambda: (context.progress.committed(('abc',)), signal.raise_signal(15))"

    told = run(f"sys.exit(guard(context, {call}))")

    assert told.err.strip().startswith("interrupted: the database is at abc, and what was not committed was rolled")


@signals
@pytest.mark.parametrize("call", ["lambda: 0", "refuse", "lambda: signal.raise_signal(15)"])
def test_there_is_no_moment_for_a_traceback(sent: Signals, call: str) -> None:
    """At each moment, the command prints its result, or that it was interrupted, or has not begun."""
    ended = run(AT_EACH_CALL.format(sent=int(sent), call=call))

    assert (ended.code, ended.err) == (0, "")
    found = {(int(code), said) for code, _, said in (line.partition(" ") for line in ended.out.splitlines())}
    assert len(ended.out.splitlines()) > 10
    assert not [said for _, said in found if "Traceback" in said or "ignored" in said]
    error, interrupted = (any(word in said for _, said in found) for word in ("error usage.E101", "interrupted: "))
    assert (error, interrupted) == (call == "refuse", True)
    by_itself = {"refuse": EXIT_USAGE, "lambda: 0": EXIT_DONE}.get(call, 128 + SIGTERM)
    assert {code for code, _ in found} <= {by_itself, 128 + sent}


@signals
def test_the_exit_code_is_the_same_wherever_the_signal_was_served(sent: Signals, tmp_path: Path) -> None:
    """CPython ends `python -m` by SIGINT if a KeyboardInterrupt has left the exit code of a text."""
    assert run(IN_EXEC.format(sent=int(sent)), module=tmp_path / "in_exec.py").code == 128 + sent


def test_handlers_are_as_they_were_afterwards() -> None:
    before = [signal.getsignal(each) for each in (SIGINT, SIGTERM)]

    assert guard(CommandContext(None, None), lambda: EXIT_DONE) == EXIT_DONE

    assert [signal.getsignal(each) for each in (SIGINT, SIGTERM)] == before


# ---- where nobody reads


@pytest.fixture
def nobody() -> Iterator[int]:
    """The writing end of a pipe whose reader has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


PRINT = 'sys.exit(guard(context, lambda: (context.{how}("for nobody"), {then})[1], json={json}))'


@pytest.fixture(params=["pipe", "disk"])
def broken(request: pytest.FixtureRequest, nobody: int) -> Iterator[int]:
    """A stream that cannot be written: its reader has ended, or its disk is full."""
    if request.param == "pipe":
        yield nobody
        return
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        yield full.fileno()


def test_what_cannot_be_said_is_not_done(broken: int) -> None:
    told = run(PRINT.format(how="print", then="sys.stderr.write('done')", json=False), stdout=broken)

    assert (told.code, parse(told.err).code, parse(told.err).state) == (EXIT_FAILED, "db.E613", NOTHING_CHANGED)


@pytest.mark.parametrize(("then", "code"), [("0", EXIT_UNREPORTED), ("refuse()", EXIT_USAGE)])
def test_what_was_done_is_told_on_the_stream_that_works(broken: int, then: str, code: int) -> None:
    told = run(PRINT.format(how="report", then=then, json=True), stdout=broken)

    line, _, error = told.err.partition("\n")
    assert (told.code, line) == (code, "for nobody")
    assert parse(error).code == ("db.E614" if code == EXIT_UNREPORTED else "usage.E101")


def test_an_error_is_told_on_the_output_where_the_standard_error_does_not_work(broken: int) -> None:
    told = run(PRINT.format(how="report", then="refuse()", json=False), stderr=broken)

    assert (told.code, parse(told.out.removeprefix("for nobody\n")).fact) == (EXIT_USAGE, "no such thing")


def test_the_exit_code_is_the_same_where_nobody_reads_at_all(broken: int) -> None:
    for then, code in (("refuse()", EXIT_USAGE), ("0", EXIT_UNREPORTED), ("signal.raise_signal(15)", 143)):
        assert run(PRINT.format(how="report", then=then, json=False), stdout=broken, stderr=broken).code == code


def test_a_command_that_only_looks_says_nothing_where_its_reader_has_left(nobody: int) -> None:
    """For example, `inv db.history | head` ends before all lines are printed."""
    told = run("context.only_looks = True\n" + PRINT.format(how="print", then="0", json=False), stdout=nobody)

    assert (told.code, told.err) == (EXIT_FAILED, "")


def test_control_characters_are_shown_and_not_obeyed() -> None:
    """Names in a database and messages of revisions may come from anybody."""
    told = run("""sys.exit(guard(context, lambda: (context.print("a\\x1b[2J\\x1b[8m\\rb\\u202e"), 1 / 0)[1]))""")

    assert told.out == "a\\x1b[2J\\x1b[8m\\rb\\u202e\n"


@pytest.mark.parametrize("call", ["refuse", "lambda: signal.raise_signal(15)"])
def test_what_is_told_to_a_reader_that_hangs_can_be_ended(call: str) -> None:
    """The first signal has no effect any more, but the second signal ends the program."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x")
    except BlockingIOError:
        os.set_blocking(writer, True)
    script = f"{GUARD}context.progress.stop = lambda: print('telling', flush=True)\nsys.exit(guard(context, {call}))"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=writer, text=True
    ) as process:
        os.close(writer)
        assert process.stdout
        assert process.stdout.readline() == "telling\n"
        process.send_signal(SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(SIGTERM)
        assert process.wait(60) == 143
    os.close(reader)
