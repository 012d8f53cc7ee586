"""Clients that send too much, send too slowly, or send nothing at all."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE
from tests.support.projects.checkouts import ConfigFile
from tests.support.servers.server import HANGS, Server, server


@pytest.fixture
def started(sqlite_migrated: URL, config_file: ConfigFile) -> Iterator[Server]:
    """A server on a database at head. After each test, it must still answer, and stop as it should."""
    with server(config_file(sqlite_migrated)) as started:
        yield started
        assert started.get("/api/health").status_code == 200
        ended = started.stop()
    assert (ended.code, ended.err) == (EXIT_DONE, "")


def connect(to: Server) -> socket.socket:
    host, port = to.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=HANGS)


def exchange(to: Server, sent: bytes) -> tuple[int, Any]:
    """Send bytes, and return the status and the JSON of the answer."""
    with connect(to) as client:
        client.sendall(sent)
        return read(client)


def read(client: socket.socket) -> tuple[int, Any]:
    received = b""
    while part := client.recv(65_536):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


HOST = b"Host: antarest\r\n"


UNREADABLE = {
    "10 MB of query": (
        b"GET /api/studies?name=" + b"x" * 10_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        414,
        "app.E414",
    ),
    "a long path": (b"GET /" + b"x" * 400_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "app.E414"),
    "10 MB of header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-Long: " + b"x" * 10_000_000 + b"\r\n\r\n", 431, "app.E431"),
    "200,000 headers": (b"GET / HTTP/1.1\r\n" + HOST + b"X-Many: x\r\n" * 200_000 + b"\r\n", 431, "app.E431"),
    "no HTTP": (b"hello\r\n\r\n", 400, "app.E401"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3 + b"\r\n\r\n", 400, "app.E401"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "app.E401"),
    "version": (b"GET / HTTP/x\r\n" + HOST + b"\r\n", 400, "app.E401"),
    "NUL": (b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", 400, "app.E401"),
}


def test_what_cannot_be_read_has_one_clear_answer(started: Server, subtests: pytest.Subtests) -> None:
    for what, (sent, status, code) in UNREADABLE.items():
        with subtests.test(what):
            answered, body = exchange(started, sent)

            assert (answered, body["error"]["code"]) == (status, code)
            assert body["error"]["message"]
            assert started.get("/api/health").status_code == 200


def test_a_client_reads_the_refusal_of_a_long_address(started: Server) -> None:
    client = HTTPConnection(started.url.removeprefix("http://"), timeout=HANGS)
    client.request("GET", f"/api/studies?name={'x' * 10_000_000}")
    answer = client.getresponse()

    assert (answer.status, json.load(answer)["error"]["code"]) == (414, "app.E414")


def test_a_body_that_nobody_asked_for_is_not_waited_for(started: Server) -> None:
    head = b"POST /api/studies HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 1000000000\r\n\r\n{"

    answered, body = exchange(started, head)
    assert (answered, body["error"]["code"]) == (405, "app.E405")


def test_connections_that_send_nothing_disturb_nobody_and_do_not_last(started: Server) -> None:
    with ExitStack() as stack:
        begin = time.monotonic()
        idle = [stack.enter_context(connect(started)) for _ in range(200)]
        for number, client in enumerate(idle):  # some send a little
            client.sendall([b"", b"G", b"GET /api/health HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nX: "][number % 4])
        assert started.get("/api/health").status_code == 200
        assert time.monotonic() - begin < HANGS
        assert [client.recv(1) for client in idle] == [b""] * 200


def test_a_byte_now_and_then_does_not_make_a_connection_last(started: Server) -> None:
    """The limit counts before the first request and after a request."""
    for first in (b"", b"GET /api/version HTTP/1.1\r\n" + HOST + b"\r\n"):
        with connect(started) as client:
            client.sendall(first)
            begin = time.monotonic()
            closed = False
            while not closed:
                assert time.monotonic() - begin < HANGS
                time.sleep(0.2)
                try:
                    client.sendall(b"G" if time.monotonic() - begin < 1 else b"x")
                    client.settimeout(0.05)
                    closed = client.recv(65_536) == b""
                except TimeoutError:
                    pass
                except ConnectionError:
                    closed = True


def test_requests_can_follow_each_other_on_one_connection(started: Server) -> None:
    request = b"GET /api/version HTTP/1.1\r\n" + HOST
    with connect(started) as client:
        client.sendall((request + b"\r\n") * 3 + request + b"Connection: close\r\n\r\n")
        received = b""
        while part := client.recv(65_536):
            received += part

    assert received.count(b"HTTP/1.1 200 OK") == 4
