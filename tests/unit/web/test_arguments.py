from __future__ import annotations

import sys
from pathlib import Path

import pytest

from antarest import __version__
from antarest.migration.errors.base import EXIT_USAGE
from antarest.web import arguments
from tests.support.checks.refusals import parse

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["antarest/main.py", "--debug"])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "antarest/main.py", "--debug"])


def test_a_command_line_is_read() -> None:
    read = arguments.read(arguments.parser("x"), ["--config=a b.yaml", "--port=0", "--debug"])

    assert (read.config, read.port, read.host, read.debug) == ("a b.yaml", 0, None, True)
    assert arguments.read(arguments.parser("x"), []).port is None


@pytest.mark.usefixtures("started")
def test_a_start_can_be_repeated_with_further_flags() -> None:
    read = arguments.read(arguments.parser("x"), ["--config=a b.yaml"])

    assert read.command("--auto-upgrade-db") == "python3 antarest/main.py '--config=a b.yaml' --auto-upgrade-db"


def test_an_installed_program_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(sys.executable).parent
    monkeypatch.setattr(sys, "argv", [str(folder / "antarest")])

    monkeypatch.setenv("PATH", str(folder))
    assert arguments.program() == "antarest"
    monkeypatch.setenv("PATH", "/nowhere")  # the shell would not find it
    assert arguments.program() == str(folder / "antarest")


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port=http"], "--port: must be a whole number from 0 to 65535, not 'http'"),
        (["--port=65536"], "not '65536'"),
        (["--port=-1"], "not '-1'"),
        (["--port=1e3"], "not '1e3'"),
        (["--port=٣"], "not '٣'"),
        (["--port="], "not ''"),
        ([f"--port={'9' * 5000}"], "not '999"),
        (["--config="], "--config: has no value"),
        (["--conf=x"], "unrecognized arguments: --conf=x"),
        (["--port"], "expected one argument"),
        (["serve"], "unrecognized arguments: serve"),
    ],
)
def test_a_wrong_command_line_is_refused(flags: list[str], said: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments.read(arguments.parser("x"), flags)

    refused = parse(capsys.readouterr().err)
    assert (ended.value.code, refused.code) == (EXIT_USAGE, "usage.E101")
    assert said in refused.fact
    assert len(refused.fact) < 200


def test_the_version_is_told(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments.parser("x").parse_args(["--version"])

    assert (ended.value.code, capsys.readouterr().out) == (0, f"AntaREST {__version__}\n")
