"""The command line: its words, its flags, and the code that turns an error into an exit code."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

import tasks
from antarest.migration.commands.boundary import CommandContext, guard
from antarest.migration.commands.flags import HIDDEN, find_swallowed
from antarest.migration.commands.program import main
from antarest.migration.commands.questions import HOW_FAR
from antarest.migration.commands.table import EVERYWHERE, VERBS, Verb
from antarest.migration.commands.table import run as run_command
from antarest.migration.database.signals import Stopped
from antarest.migration.errors.base import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    Hint,
)
from antarest.migration.errors.facts.configuration import UsageError
from antarest.migration.errors.facts.database import DatabaseUnreachable
from antarest.migration.errors.rendering import render_error
from antarest.migration.errors.settings.commands import repeating, spelled
from tests.support.checks.refusals import SECRET, Refusal, invoke_tasks, parse
from tests.support.projects.checkouts import ROOT, ConfigFile

Capture = pytest.CaptureFixture[str]


# ---- the same verbs and flags everywhere


def test_invoke_has_the_same_verbs_and_flags() -> None:
    offered = {name: set(task.flags) for name, task in invoke_tasks().items()}

    assert offered == {
        f"db.{name}": {
            spelled(flag) for flag in (*verb.words, *verb.flags, *EVERYWHERE) if verb.flag(flag).help != HIDDEN
        }
        for name, verb in VERBS.items()
    }
    words = {name: [each.name for each in task.positional_args] for name, task in invoke_tasks().items()}
    assert words == {f"db.{name}": list(verb.words) for name, verb in VERBS.items()}


def test_each_flag_is_explained_by_invoke_and_by_our_own_help(capsys: Capture) -> None:
    for name, verb in VERBS.items():
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        ours = " ".join(capsys.readouterr().out.split())

        assert ended.value.code == EXIT_DONE
        for flag in (*verb.words, *verb.flags, *EVERYWHERE):
            if verb.flag(flag).help != HIDDEN:
                assert verb.flag(flag).help in ours
                assert invoke_tasks()[f"db.{name}"].flags[spelled(flag)].help == verb.flag(flag).help


@pytest.mark.parametrize("program", ["antarest-verify", "antarest-db"])
@pytest.mark.parametrize("words", [["--nothing"], ["--versions"]])
def test_a_usage_error_names_the_program_that_was_called(
    program: str, words: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [f"/bin/{program}"])

    with pytest.raises(SystemExit):
        main(["verify", *words])

    called = program if program == "antarest-verify" or words == ["--nothing"] else f"{program} verify"
    assert f"See the flags:   {called} --help" in capsys.readouterr().err


def test_each_verb_says_the_same_about_itself_everywhere() -> None:
    for name, verb in VERBS.items():
        assert verb.call.__doc__ == tasks.namespace[f"db.{name}"].__doc__


# ---- usage


def refused(words: list[str], capsys: Capture) -> Refusal:
    """Return the error about arguments that the program does not accept."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (EXIT_USAGE, "")
    return parse(shown.err)


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        ([], "the following arguments are required: VERB"),
        (["nope"], "argument VERB: invalid choice: 'nope' (choose from "),
        (["status", "--nope"], "unrecognized arguments: --nope"),
        (["--config=x", "status"], "unrecognized arguments: --config=x"),
        (["rollback", "--to"], "argument --to: expected one argument"),
        (["rollback", "2"], "unrecognized arguments: 2"),
        (["rollback", "--allow"], "unrecognized arguments: --allow"),  # a flag that permits a loss is written out
    ],
)
def test_arguments_that_the_program_does_not_take(words: list[str], fact: str, capsys: Capture) -> None:
    error = refused(words, capsys)

    assert (error.code, error.fact[: len(fact)]) == ("usage.E101", fact)
    assert error.commands[0].startswith("python -m antarest.migration ")


@pytest.mark.parametrize("before", [["-c", "nowhere.ini", "-x", "a=b"], ["-xa=b", "-cnowhere.ini"]])
def test_alembics_flags_may_stand_before_the_verb(before: list[str], capsys: Capture) -> None:
    assert main([*before, "status"]) == EXIT_USAGE

    error = capsys.readouterr().err
    assert error.startswith(f"error db.E200: there is no Alembic project at {Path.cwd() / 'nowhere.ini'}\n")
    assert "status --project=PATH/alembic.ini -x a=b\n" in error


@pytest.mark.parametrize("steps", ["0", "-1", "two", "1.5", "0x2", " "])
def test_steps_that_are_no_number_of_steps(steps: str, capsys: Capture) -> None:
    assert main(["rollback", f"--steps={steps}"]) == EXIT_USAGE

    assert parse(capsys.readouterr().err).fact == f"--steps must be a whole number from 1, not {steps!r}"


def test_steps_and_a_revision(capsys: Capture) -> None:
    assert main(["rollback", "--steps=1", "--to=base"]) == EXIT_USAGE

    assert parse(capsys.readouterr().err).fact == "--steps and --to cannot be given together"


def test_a_revision_without_a_message(capsys: Capture) -> None:
    assert main(["revision"]) == EXIT_USAGE

    assert parse(capsys.readouterr().err).commands == ['inv db.revision --message="add study horizon"']


# ---- flags that Invoke takes for its own


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("--config=a.yaml db.status", "inv db.status --config=a.yaml"),
        ("--config a.yaml db.status", "inv db.status --config=a.yaml"),
        ("--config", "inv db.status --config=PATH"),
        ("--config db.status", "inv db.status --config=PATH"),
        ("-f a.yaml db.status", "inv db.status --config=a.yaml"),
        ("-fa.yaml db.status", "inv db.status --config=a.yaml"),
        ("-f=a.yaml db.status", "inv db.status --config=a.yaml"),
        ("-ef a.yaml db.status", "inv db.status --config=a.yaml"),
        ("--debug db.status", "inv db.status --debug"),
        ("-d db.status", "inv db.status --debug"),
        # Invoke also accepts its short flags after the task.
        ("db.status -f a.yaml", "inv db.status --config=a.yaml"),
        ("db.status -d", "inv db.status --debug"),
        ("db.history db.status -f a.yaml", "inv db.status --config=a.yaml"),
    ],
)
def test_a_flag_that_invoke_would_swallow(words: str, right: str) -> None:
    error = find_swallowed(words.split(), "inv db.status")

    assert isinstance(error, UsageError)
    assert [hint.command for hint in error.hints] == [right]


@pytest.mark.parametrize(
    "words",
    [
        "db.status",
        "db.status --config=a.yaml --debug",
        "db.status --config a.yaml",
        "db.history --config=a.yaml db.status --debug",
        "--echo --search-root=/srv db.status",
        "-e -r /srv db.status",
        "db.status --json",
        "db.status --config=a-file.yaml",
    ],
)
def test_a_flag_that_invoke_does_not_swallow(words: str) -> None:
    assert find_swallowed(words.split(), "inv db.status") is None


# ---- the boundary

Ends = Callable[[CommandContext], int]


@pytest.fixture
def run_verb(monkeypatch: pytest.MonkeyPatch, config_file: ConfigFile) -> Callable[..., int]:
    """Run a verb with the behaviour of the test, on a configuration with a password."""
    file = config_file(URL.create("postgresql", "me", SECRET, "db1", 5432, "antarest"))

    def run(call: Ends, *, only_looks: bool = False, **options: Any) -> int:
        monkeypatch.setitem(VERBS, "try", Verb(lambda context, **_: call(context), only_looks=only_looks))
        return run_command("try", config=str(file), project=str(ROOT / "alembic.ini"), **options)

    return run


def raising(error: BaseException) -> Ends:
    """Return a verb that reads the configuration and raises this error."""

    def call(context: CommandContext) -> int:
        _ = context.config
        raise error

    return call


def test_a_result_is_the_exit_code(run_verb: Callable[..., int], capsys: Capture) -> None:
    assert [run_verb(lambda _: EXIT_DONE), run_verb(lambda _: EXIT_FAILED)] == [EXIT_DONE, EXIT_FAILED]
    assert capsys.readouterr() == ("", "")


def test_our_error_is_printed_with_its_exit_code(run_verb: Callable[..., int], capsys: Capture, tmp_path: Path) -> None:
    error = DatabaseUnreachable("nobody there", *HOW_FAR, database="postgresql://me:***@db1/antarest")

    assert run_verb(raising(error)) == EXIT_UNREACHABLE

    shown = capsys.readouterr()
    assert shown.out == ""
    with repeating(config=str(tmp_path / "application.yaml"), project=str(ROOT / "alembic.ini")):
        assert shown.err == render_error(error)


def test_the_ways_on_lead_to_the_configuration_that_was_named(capsys: Capture) -> None:
    """The next command is printed with --config, so that it does not work on another database."""
    hints = [Hint("Look", "inv db.status"), Hint("Start", "git log"), Hint("Correct it", "inv db.status --config=PATH")]

    def end() -> int:
        raise UsageError("no", *hints)

    context = CommandContext("a folder/application.yaml", None)
    assert guard(context, end) == EXIT_USAGE

    assert parse(capsys.readouterr().err).commands == [
        "inv db.status --config='a folder/application.yaml'",
        "git log",
        "inv db.status --config=PATH",
    ]
    context = CommandContext(None, None)
    assert guard(context, end, json=True) == EXIT_USAGE
    found = json.loads(capsys.readouterr().out)["error"]["hints"]
    assert [each["command"] for each in found] == [hint.command for hint in hints]


def test_an_error_for_machines_goes_where_they_read(run_verb: Callable[..., int], capsys: Capture) -> None:
    assert run_verb(raising(UsageError("no")), json=True) == EXIT_USAGE

    shown = capsys.readouterr()
    assert (json.loads(shown.out)["error"]["message"], shown.err) == ("no", "")


def test_an_error_that_nobody_thought_of_has_the_shape_too(run_verb: Callable[..., int], capsys: Capture) -> None:
    """The first line is the fact, in which the password of the configuration is masked."""
    error = RuntimeError(f"cannot use {SECRET}\nand more lines")

    assert run_verb(raising(error)) == EXIT_FAILED

    refused = parse(capsys.readouterr().err)
    assert (refused.code, refused.fact) == ("db.E699", "an unexpected error: RuntimeError: cannot use ***")


def test_an_error_without_words_is_named(run_verb: Callable[..., int], capsys: Capture) -> None:
    assert run_verb(raising(AssertionError())) == EXIT_FAILED

    assert parse(capsys.readouterr().err).fact == "an unexpected error: AssertionError"


def test_debug_shows_the_traceback_before_the_error(run_verb: Callable[..., int], capsys: Capture) -> None:
    assert run_verb(raising(RuntimeError(f"cannot use {SECRET}")), debug=True) == EXIT_FAILED

    traceback, _, error = capsys.readouterr().err.partition("error db.E699")
    assert traceback.startswith("Traceback (most recent call last)")
    assert "RuntimeError: cannot use ***" in traceback
    assert "s3cr3t" not in traceback + error


def test_a_command_that_only_looks_rolls_nothing_back(run_verb: Callable[..., int], capsys: Capture) -> None:
    assert run_verb(raising(KeyboardInterrupt()), only_looks=True) == EXIT_INTERRUPTED

    assert capsys.readouterr().err.splitlines()[1] == "interrupted: nothing was changed"


def test_an_interruption_is_no_error_of_ours(run_verb: Callable[..., int], capsys: Capture) -> None:
    assert run_verb(raising(KeyboardInterrupt())) == EXIT_INTERRUPTED

    _, first, second = capsys.readouterr().err.splitlines()
    assert first == "interrupted: what was not committed was rolled back"
    assert re.fullmatch(
        r"  See where the database is:   inv db\.status --config=\S+/application\.yaml --project=\S+/alembic.ini",
        second,
    )


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, EXIT_INTERRUPTED), (signal.SIGTERM, EXIT_TERMINATED)])
def test_a_signal_whose_exception_is_ignored_comes_again(
    run_verb: Callable[..., int], signum: signal.Signals, code: int
) -> None:
    """Python ignores exceptions in a callback of a weak reference, and may handle a signal there."""

    def interrupt(*_: object) -> None:
        raise Stopped(signum)

    def lose(_context: CommandContext) -> int:
        referred = type("Referred", (), {})()
        reference = weakref.ref(referred, interrupt)
        del referred
        time.sleep(20)
        return EXIT_FAILED if reference() else EXIT_DONE

    handler = signal.signal(signum, interrupt)
    try:
        assert run_verb(lose) == code
    finally:
        signal.signal(signum, handler)


def test_a_session_reads_nothing_before_it_is_asked(tmp_path: Path) -> None:
    context = CommandContext(str(tmp_path / "nowhere.yaml"), str(tmp_path / "nowhere.ini"))

    assert context.redact("a text") == "a text"


@pytest.mark.parametrize("flag", ["to", "steps", "config", "project"])
def test_a_flag_without_a_value_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--to=$UNSET` must not have the same effect as no flag."""
    options: dict[str, Any] = {flag: ""}

    code = run_command("rollback", **options)

    assert (code, capsys.readouterr().err.partition("\n")[0]) == (2, f"error usage.E101: --{flag} has no value")
