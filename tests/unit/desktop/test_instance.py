"""The seat of the desktop application, taken and lost by real processes."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from antarest.desktop.errors import InstanceSilent, SeatUnusable
from antarest.desktop.instance import INSTANCE_PATH, Record, Seat, answers, take_or_find
from tests.support import ROOT

HANGS = 300
HOLDER = """
import sys
from sqlalchemy import make_url
from antarest.desktop.instance import Seat
seat = Seat(make_url(sys.argv[1]))
print("taken" if seat.take() else "refused", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of the test's own."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def url(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "studies.db"))


@contextmanager
def holder(url: URL) -> Iterator[subprocess.Popen[str]]:
    """A process that takes the seat, and says whether it has it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url.render_as_string(hide_password=False)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait(HANGS)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@contextmanager
def serving(answer: bytes, status: int = 200) -> Iterator[int]:
    """A server that answers every question so, and its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer if self.path == INSTANCE_PATH else b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def ignore(_: Record) -> None:
    pass


def test_a_seat_is_taken_once(url: URL) -> None:
    with holder(url) as process:
        assert said(process) == "taken"
        assert not Seat(url).take()


def test_a_killed_holder_leaves_nothing_in_the_way(url: URL) -> None:
    with holder(url) as process:
        assert said(process) == "taken"
        process.send_signal(signal.SIGKILL)
        process.wait(HANGS)

        with Seat(url) as seat:
            assert seat.take()
            assert seat.read() == replace(Record(), id=seat.read().id)  # type: ignore[union-attr]  # it is there


def test_of_many_that_start_at_once_one_has_the_seat(url: URL) -> None:
    with ThreadPoolExecutor(8) as pool, pytest.MonkeyPatch.context():
        contexts = [holder(url) for _ in range(8)]
        processes = list(pool.map(lambda context: context.__enter__(), contexts))
        answers_ = list(pool.map(said, processes))
        for context in contexts:
            context.__exit__(None, None, None)

    assert sorted(answers_) == ["refused"] * 7 + ["taken"]


def test_a_seat_that_was_left_is_free(url: URL) -> None:
    with Seat(url) as seat:
        assert seat.take()
    with Seat(url) as seat:
        assert seat.take()


def test_a_database_has_one_seat_whoever_asks_and_by_whatever_path(tmp_path: Path, url: URL) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "studies.db")
    server = make_url("postgresql+psycopg2://ada:secret@db1:5432/antarest")
    with Seat(url) as file, Seat(server) as remote:
        assert file.take()
        assert remote.take()

        assert not Seat(url.set(database=str(link))).take()
        assert not Seat(server.set(username="bob", password=None, query={"application_name": "x"})).take()
        assert Seat(server.set(database="other")).take()
        assert Seat(server.set(host="db2")).take()


def test_the_file_of_a_seat_is_for_its_user_alone_and_has_no_password(runtime: Path) -> None:
    with Seat(make_url("postgresql+psycopg2://ada:secret@db1:5432/antarest")) as seat:
        assert seat.take()
        (file,) = runtime.rglob("*.json")

        assert file.stat().st_mode & 0o777 == 0o600
        assert "secret" not in file.name + file.read_text()


def test_a_link_in_the_place_of_the_file_is_not_followed(runtime: Path, url: URL) -> None:
    victim = runtime / "victim"
    victim.write_text("precious")
    with Seat(url) as seat:
        assert seat.take()
    (file,) = runtime.rglob("*.json")
    file.unlink()
    file.symlink_to(victim)

    with pytest.raises(SeatUnusable):
        Seat(url).take()
    assert victim.read_text() == "precious"


def test_a_runtime_folder_that_cannot_be_used_is_an_error(runtime: Path, url: URL) -> None:
    (runtime / "antarest").touch()

    with pytest.raises(SeatUnusable, match="File exists"):
        Seat(url).take()


@pytest.mark.parametrize(
    ("answer", "is_it"),
    [
        (b'{"id": "mine"}', True),
        (b'{"id": "other"}', False),
        (b"<html>", False),
        (b'["mine"]', False),
        (b"\xff", False),
        (b"", False),
    ],
)
def test_an_application_is_known_by_its_answer(answer: bytes, *, is_it: bool) -> None:
    with serving(answer) as port:
        assert answers(Record(port=port, id="mine")) is is_it


def test_nobody_answers_at_a_port_that_nobody_has() -> None:
    with serving(b"") as port:
        pass

    assert not answers(Record(port=port))
    assert not answers(Record(port=0))


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(b'{"id": "mine"}') as port:
        assert answers(Record(port=port, id="mine"))


def test_another_start_finds_the_application(url: URL) -> None:
    with Seat(url) as seat, serving(b'{"id": "mine"}') as port:
        seat.take()
        record = Record(port=port, id="mine")
        seat.write(record)

        assert take_or_find(Seat(url), ignore) == record


def test_another_start_waits_for_the_upgrade(url: URL) -> None:
    waits: list[Record] = []
    with Seat(url) as seat, serving(b'{"id": "mine"}') as port, ThreadPoolExecutor(1) as pool:
        seat.take()
        told = threading.Event()

        def waiting(record: Record) -> None:
            waits.append(record)
            told.set()

        found = pool.submit(take_or_find, Seat(url), waiting)
        assert told.wait(HANGS)
        seat.write(Record(port=port, id="mine"))

        assert found.result(HANGS) == Record(port=port, id="mine")
    assert [(each.pid, each.port) for each in waits] == [(os.getpid(), 0)]


def test_another_start_takes_the_seat_of_one_that_ends_meanwhile(url: URL) -> None:
    with holder(url) as process, ThreadPoolExecutor(1) as pool, Seat(url) as seat:
        assert said(process) == "taken"
        told = threading.Event()
        found = pool.submit(take_or_find, seat, lambda _: told.set())
        assert told.wait(HANGS)
        process.kill()

        assert found.result(HANGS) is None
        assert not Seat(url).take()


@pytest.mark.parametrize("port_of", [lambda: 0, lambda: 1], ids=["upgrades for ever", "hangs"])
def test_another_start_does_not_wait_without_end(url: URL, port_of: Callable[[], int]) -> None:
    with Seat(url) as seat:
        seat.take()
        seat.write(Record(port=port_of()))

        with pytest.raises(InstanceSilent) as caught:
            take_or_find(Seat(url), ignore, patience=0.3)

    assert caught.value.details == {"process": str(os.getpid())}
    assert caught.value.hints[0].command == f"kill {os.getpid()}"


def test_a_record_that_is_half_written_is_none(runtime: Path, url: URL) -> None:
    with Seat(url) as seat:
        seat.take()
        (file,) = runtime.rglob("*.json")
        for text in ("", '{"pid": 1', "[]", '{"unknown": 1}'):
            file.write_text(text)

            assert seat.read() is None


def test_who_has_no_seat_writes_nothing(url: URL) -> None:
    with Seat(url) as seat:
        seat.take()
        written = seat.read()
        other = Seat(url)
        other.take()
        other.write(Record(port=9))
        other.leave()

        assert seat.read() == written
