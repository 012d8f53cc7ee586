from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_FAILED, EXIT_USAGE
from antarest.web.errors.launching import HostNotOurs, PortForbidden, PortTaken
from antarest.web.serving.port_holder import holder_of
from antarest.web.serving.serve import address_of, bind
from tests.support.projects.checkouts import ROOT
from tests.support.servers.server import wait_until


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_refused_with_who_has_it(taken: int) -> None:
    with pytest.raises(PortTaken) as error:
        bind("127.0.0.1", taken, command="antarest")

    assert f"(process {os.getpid()})" in error.value.message
    assert [hint.command for hint in error.value.hints] == ["antarest --port=0", f"antarest --port={taken + 1}"]
    assert error.value.exit_code == EXIT_FAILED


def test_a_port_that_another_start_has_bound_is_taken_although_nobody_listens_yet() -> None:
    with bind("127.0.0.1", 0) as first, pytest.raises(PortTaken):
        bind("127.0.0.1", first.getsockname()[1])


def test_nobody_is_kept_waiting_by_a_port_that_is_only_bound() -> None:
    with bind("127.0.0.1", 0) as bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname(), timeout=5)


def test_a_port_can_be_had_again_at_once_although_old_connections_linger() -> None:
    bound = bind("127.0.0.1", 0)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as `serve` does
    bound.listen()
    address = bound.getsockname()
    client = socket.create_connection(address)
    served, _ = bound.accept()
    served.close()  # the side that closes first keeps the port for a minute
    client.close()
    bound.close()

    bind(*address).close()


@pytest.mark.parametrize("host", ["10.255.255.1", "203.0.113.7", "nowhere.invalid", "a" * 300, "é..x", "::ffff:1:2:3"])
def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(HostNotOurs) as error:
        bind(host, 0, command="antarest")

    assert host in error.value.message
    assert error.value.hints[0].command == "antarest --host=127.0.0.1"
    assert error.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:"), ("localhost", "http://127.0.0.1:"), ("0.0.0.0", "http://0.0.0.0:")],  # noqa: S104
)
def test_the_address_is_told_as_a_browser_takes_it(host: str, address: str) -> None:
    with bind(host, 0) as bound:
        assert address_of(bound) == f"{address}{bound.getsockname()[1]}"


def test_an_address_of_the_newer_world_stands_in_brackets() -> None:
    with socket.socket(socket.AF_INET6) as bound:  # not every machine has the loopback address of IPv6
        bound.bind(("::", 0))
        assert address_of(bound) == f"http://[::]:{bound.getsockname()[1]}"


def test_a_port_that_only_root_may_have_is_refused() -> None:
    program = """
import encodings.idna, os
from antarest.web.serving.serve import bind
from antarest.web.errors.launching import PortForbidden
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    bind("127.0.0.1", 1)
except PortForbidden as error:
    print(error.message)
"""
    is_limited = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii")) > 1
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    expected = "this user may not listen on port 1: permission denied\n" if is_limited else ""
    assert done.stdout == expected


def test_a_port_that_nobody_listens_on_has_no_holder() -> None:
    with bind("127.0.0.1", 0) as bound:
        assert holder_of(bound.getsockname()[1]) == ""


def test_a_holder_is_named_by_its_command() -> None:
    program = (
        "import socket, time\ns = socket.create_server(('127.0.0.1', 0))\n"
        "print(s.getsockname()[1], flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        wait_until(lambda: bool(holder_of(port)))
        holder = holder_of(port)
        process.send_signal(signal.SIGKILL)

    assert holder.startswith(sys.executable)
    assert holder.endswith(f"(process {process.pid})")
    assert len(holder) < 120


def test_a_forbidden_port_names_one_that_is_not() -> None:
    assert PortForbidden(80, "permission denied", command="antarest").hints[0].command == "antarest --port=8080"
