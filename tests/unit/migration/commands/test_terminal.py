"""A terminal shows colours and the revision that runs; a pipe does not."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from antarest.migration.commands.output import Output
from antarest.migration.commands.progress import Progress
from antarest.migration.errors.facts.project import OutOfReach
from antarest.migration.errors.rendering import render_error
from antarest.migration.errors.revision import Revision
from antarest.migration.errors.text import size

STUDY = Revision("a1b2c3d4e5f6", (), "create studies", Path("a.py"))
TAGS = Revision("b1b2c3d4e5f6", ("a1b2c3d4e5f6",), "move tags", Path("b.py"))


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_an_error_is_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    error = OutOfReach("it is not below", "a1")

    assert render_error(error, Terminal()).startswith("\x1b[31merror db.E209:\x1b[0m \x1b[1mit is not below\x1b[0m\n")
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as environment:
            environment.setenv(name, value)
            assert "\x1b" not in render_error(error, Terminal())
    assert "\x1b" not in render_error(error, io.StringIO())


def test_progress_through_a_pipe_is_a_line_for_each_revision() -> None:
    stream = io.StringIO()
    progress = Progress(Output(stream))

    progress.started(STUDY, "upgrade")
    progress.finished(STUDY, "upgrade", 1.234)
    progress.started(TAGS, "downgrade")
    progress.stop()
    progress.note("rewrote rollback.sh")

    assert stream.getvalue() == "  up      1.23 s  a1b2c3d4e5f6  create studies\nrewrote rollback.sh\n"


def test_how_far_it_is_is_for_terminals_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        progress = Progress(Output(stream))
        progress.show("10 rows")
        progress.show("20 rows")
        progress.stop()
        progress.stop()

    assert terminal.getvalue() == "\r\x1b[K  10 rows\r\x1b[K  20 rows\r\x1b[K"
    assert pipe.getvalue() == ""


def test_progress_on_a_terminal_shows_what_runs_and_ends_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is printed next begins on a new line."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    progress = Progress(Output(stream))

    progress.started(STUDY, "upgrade")
    progress.finished(STUDY, "upgrade", 0.5)
    progress.stop()
    progress.started(TAGS, "downgrade")
    progress.stop()
    progress.stop()

    assert stream.getvalue() == (
        "\r  up         ...  a1b2c3d4e5f6  create studies"
        "\r\x1b[K  up      0.50 s  a1b2c3d4e5f6  create studies\n"
        "\r  down       ...  b1b2c3d4e5f6  move tags\n"
    )


def test_something_long_is_a_passing_line_on_a_terminal_and_nothing_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = {}
    for stream in (Terminal(), io.StringIO()):
        progress = Progress(Output(stream))
        progress.working("backup", 1, 4)
        progress.working("backup", 3_200_000, 0)
        progress.note("backup         /srv/a.sqlite (3.2 MB)")
        progress.stop()
        shown[stream.isatty()] = stream.getvalue()

    passing = "\r\x1b[Kbackup          25 %\r\x1b[Kbackup         3.2 MB\r\x1b[K"
    assert shown == {
        True: f"{passing}backup         /srv/a.sqlite (3.2 MB)\n",
        False: "backup         /srv/a.sqlite (3.2 MB)\n",
    }


SIZES = [
    (0, "0 bytes"),
    (1, "1 byte"),
    (999, "999 bytes"),
    (1_000, "1.0 kB"),
    (1_449, "1.4 kB"),
    (9_940, "9.9 kB"),
    (9_990, "10 kB"),
    (311_296, "311 kB"),
    (999_700, "1.0 MB"),
    (5.3e6, "5.3 MB"),
    (5e15, "5000 TB"),
]


@pytest.mark.parametrize(("number", "shown"), SIZES)
def test_sizes(number: int, shown: str) -> None:
    assert size(number) == shown


def test_a_block_of_lines_takes_the_place_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        progress = Progress(Output(stream))
        progress.block(["one", "two"], 20)
        progress.block(["three"], 20)
        progress.stop()

    assert terminal.getvalue() == "one\ntwo\n\r\x1b[2A\x1b[Jthree\n\r\x1b[1A\x1b[J"
    assert pipe.getvalue() == ""


def test_where_a_block_does_not_fit_its_last_line_stands_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    progress = Progress(Output(terminal))

    progress.block(["one", "two"], 21)
    progress.stop()

    assert terminal.getvalue() == "\r\x1b[K  two\r\x1b[K"


def test_progress_on_a_terminal_shows_the_time_that_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(Progress, "_EVERY", 0.001)
    stream = Terminal()
    progress = Progress(Output(stream))
    line = "\r  up         0 s  a1b2c3d4e5f6  create studies"

    progress.started(STUDY, "upgrade")
    while stream.getvalue().count(line) < 2:
        pass
    progress.finished(STUDY, "upgrade", 0.5)

    shown = stream.getvalue()
    assert shown.endswith(f"{line}\r\x1b[K  up      0.50 s  a1b2c3d4e5f6  create studies\n")
    assert "antarest-clock" not in {each.name for each in threading.enumerate()}
