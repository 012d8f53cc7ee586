"""The server as an operator runs it: a process with a configuration and an address, which receives signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.programs.processes import Popen
from tests.support.projects.checkouts import ROOT, Result

HANGS = 300.0
_ADDRESS = re.compile(r"^listening +(http://\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Server:
    """A server process. Its output goes to files, so that it never waits for a reader."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def out(self) -> str:
        """The standard output of the process."""
        return (self.folder / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """The standard error of the process."""
        return (self.folder / "err").read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        """The address of the server, as soon as it is ready."""
        found: list[str] = []

        def is_ready() -> bool:
            found[:] = _ADDRESS.findall(self.out)
            assert found or self.process.poll() is None, self.err
            return bool(found)

        wait_until(is_ready)
        return found[0]

    def get(self, path: str, **parameters: object) -> httpx.Response:
        """Send a GET request on a new connection."""
        return httpx.get(self.url + path, params=parameters or None, timeout=HANGS)  # type: ignore[arg-type]  # any value

    def says(self, text: str) -> None:
        """Wait until the server has printed this."""
        wait_until(lambda: text in self.out or self.process.poll() is not None)
        assert text in self.out, self.err

    def send(self, *signals: signal.Signals) -> None:
        """Send the process signals."""
        for each in signals:
            self.process.send_signal(each)

    def ended(self) -> Result:
        """Wait until the process has ended, and return its exit code."""
        return Result(self.process.wait(HANGS), self.out, self.err)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> Result:
        """Stop the server, and return its exit code."""
        self.send(by)
        return self.ended()


@contextmanager
def server(
    config: Path, *flags: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[Server]:
    """Start `antarest/main.py` of a checkout, on a free port; it is stopped at the end, if it still runs.

    Args:
        config: the configuration file.
        flags: further flags.
        cwd: the checkout.
        env: variables to add to the environment.
        port: the port; 0 takes a free one.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process: Popen[bytes] = Popen(
                [sys.executable, "antarest/main.py", f"--config={config}", f"--port={port}", *flags],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        try:
            yield Server(process, folder)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(HANGS)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + HANGS
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.02)
