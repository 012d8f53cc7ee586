"""The lock of the desktop application, taken and lost by real processes."""

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

from antarest.desktop.errors import InstanceLockUnusable, InstanceSilent
from antarest.desktop.instance import INSTANCE_PATH, InstanceLock, RunningInstance, answers, take_or_find
from tests.support.projects.checkouts import ROOT

HANGS = 300
HOLDER = """
import sys
from sqlalchemy import make_url
from antarest.desktop.instance import InstanceLock
lock = InstanceLock(make_url(sys.argv[1]))
print("taken" if lock.take() else "refused", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate runtime folder for the test."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def url(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "studies.db"))


@contextmanager
def holder(url: URL) -> Iterator[subprocess.Popen[str]]:
    """A process that takes the lock, and prints whether it has it."""
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
    """A server that gives this answer to every question, and its port."""

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


def ignore(_: RunningInstance) -> None:
    pass


def test_a_seat_is_taken_once(url: URL) -> None:
    with holder(url) as process:
        assert said(process) == "taken"
        assert not InstanceLock(url).take()


def test_a_killed_holder_leaves_nothing_in_the_way(url: URL) -> None:
    with holder(url) as process:
        assert said(process) == "taken"
        process.send_signal(signal.SIGKILL)
        process.wait(HANGS)

        with InstanceLock(url) as lock:
            assert lock.take()
            assert lock.read() == replace(RunningInstance(), id=lock.read().id)  # type: ignore[union-attr]  # it is there


def test_of_many_that_start_at_once_one_has_the_seat(url: URL) -> None:
    with ThreadPoolExecutor(8) as pool, pytest.MonkeyPatch.context():
        contexts = [holder(url) for _ in range(8)]
        processes = list(pool.map(lambda context: context.__enter__(), contexts))
        answers_ = list(pool.map(said, processes))
        for context in contexts:
            context.__exit__(None, None, None)

    assert sorted(answers_) == ["refused"] * 7 + ["taken"]


def test_a_seat_that_was_left_is_free(url: URL) -> None:
    with InstanceLock(url) as lock:
        assert lock.take()
    with InstanceLock(url) as lock:
        assert lock.take()


def test_a_database_has_one_seat_whoever_asks_and_by_whatever_path(tmp_path: Path, url: URL) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "studies.db")
    server = make_url("postgresql+psycopg2://ada:secret@db1:5432/antarest")
    with InstanceLock(url) as file, InstanceLock(server) as remote:
        assert file.take()
        assert remote.take()

        assert not InstanceLock(url.set(database=str(link))).take()
        assert not InstanceLock(server.set(username="bob", password=None, query={"application_name": "x"})).take()
        assert InstanceLock(server.set(database="other")).take()
        assert InstanceLock(server.set(host="db2")).take()


def test_the_file_of_a_seat_is_for_its_user_alone_and_has_no_password(runtime: Path) -> None:
    with InstanceLock(make_url("postgresql+psycopg2://ada:secret@db1:5432/antarest")) as lock:
        assert lock.take()
        (file,) = runtime.rglob("*.json")

        assert file.stat().st_mode & 0o777 == 0o600
        assert "secret" not in file.name + file.read_text()


def test_a_link_in_the_place_of_the_file_is_not_followed(runtime: Path, url: URL) -> None:
    victim = runtime / "victim"
    victim.write_text("precious")
    with InstanceLock(url) as lock:
        assert lock.take()
    (file,) = runtime.rglob("*.json")
    file.unlink()
    file.symlink_to(victim)

    with pytest.raises(InstanceLockUnusable):
        InstanceLock(url).take()
    assert victim.read_text() == "precious"


def test_a_runtime_folder_that_cannot_be_used_is_an_error(runtime: Path, url: URL) -> None:
    (runtime / "antarest").touch()

    with pytest.raises(InstanceLockUnusable, match="File exists"):
        InstanceLock(url).take()


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
        assert answers(RunningInstance(port=port, id="mine")) is is_it


def test_nobody_answers_at_a_port_that_nobody_has() -> None:
    with serving(b"") as port:
        pass

    assert not answers(RunningInstance(port=port))
    assert not answers(RunningInstance(port=0))


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(b'{"id": "mine"}') as port:
        assert answers(RunningInstance(port=port, id="mine"))


def test_another_start_finds_the_application(url: URL) -> None:
    with InstanceLock(url) as lock, serving(b'{"id": "mine"}') as port:
        lock.take()
        running = RunningInstance(port=port, id="mine")
        lock.write(running)

        assert take_or_find(InstanceLock(url), ignore) == running


def test_another_start_waits_for_the_upgrade(url: URL) -> None:
    waits: list[RunningInstance] = []
    with InstanceLock(url) as lock, serving(b'{"id": "mine"}') as port, ThreadPoolExecutor(1) as pool:
        lock.take()
        told = threading.Event()

        def waiting(running: RunningInstance) -> None:
            waits.append(running)
            told.set()

        found = pool.submit(take_or_find, InstanceLock(url), waiting)
        assert told.wait(HANGS)
        lock.write(RunningInstance(port=port, id="mine"))

        assert found.result(HANGS) == RunningInstance(port=port, id="mine")
    assert [(each.pid, each.port) for each in waits] == [(os.getpid(), 0)]


def test_another_start_takes_the_seat_of_one_that_ends_meanwhile(url: URL) -> None:
    with holder(url) as process, ThreadPoolExecutor(1) as pool, InstanceLock(url) as lock:
        assert said(process) == "taken"
        told = threading.Event()
        found = pool.submit(take_or_find, lock, lambda _: told.set())
        assert told.wait(HANGS)
        process.kill()

        assert found.result(HANGS) is None
        assert not InstanceLock(url).take()


@pytest.mark.parametrize("port_of", [lambda: 0, lambda: 1], ids=["upgrades for ever", "hangs"])
def test_another_start_does_not_wait_without_end(url: URL, port_of: Callable[[], int]) -> None:
    with InstanceLock(url) as lock:
        lock.take()
        lock.write(RunningInstance(port=port_of()))

        with pytest.raises(InstanceSilent) as caught:
            take_or_find(InstanceLock(url), ignore, patience=0.3)

    assert caught.value.details == {"process": str(os.getpid())}
    assert caught.value.hints[0].command == f"kill {os.getpid()}"


def test_a_record_that_is_half_written_is_none(runtime: Path, url: URL) -> None:
    with InstanceLock(url) as lock:
        lock.take()
        (file,) = runtime.rglob("*.json")
        for text in ("", '{"pid": 1', "[]", '{"unknown": 1}'):
            file.write_text(text)

            assert lock.read() is None


def test_who_has_no_seat_writes_nothing(url: URL) -> None:
    with InstanceLock(url) as lock:
        lock.take()
        written = lock.read()
        other = InstanceLock(url)
        other.take()
        other.write(RunningInstance(port=9))
        other.leave()

        assert lock.read() == written
