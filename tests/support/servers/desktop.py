"""The desktop application as a user starts it: a process with its own runtime folder, and perhaps a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from sqlalchemy import URL
from sqlalchemy.orm import Session

from antarest.migration.database.engines import create_db_engine
from antarest.migration.scratch.embedded_postgres import free_port
from tests.support.programs.processes import Popen
from tests.support.projects.checkouts import ROOT
from tests.support.servers.server import HANGS, Server, wait_until

__all__ = ["Desk", "wait_until"]

_BROWSER = """\
#!/bin/sh
echo "$1" >> {opened}
"""


@dataclass(frozen=True)
class Desk:
    """A computer on which the application is started: its configuration, its runtime folder and its browser.

    Attributes:
        url: the database.
        folder: the folder of the other files.
        port: the port in the configuration.
    """

    url: URL
    folder: Path
    port: int

    @classmethod
    def create(cls, url: URL, folder: Path, port: int | None = None) -> Desk:
        """Write the configuration, and a browser that notes what it opens."""
        desk = cls(url, folder, port or free_port())
        text = {"db": {"url": url.render_as_string(hide_password=False), "busy_timeout": 1, "connect_timeout": 3}}
        text["db"] |= {"migration_lock_timeout": 1}
        desk.config.write_text(yaml.safe_dump(text | {"server": {"port": desk.port}}), encoding="utf-8")
        (folder / "runtime").mkdir(mode=0o700)
        browser = folder / "browser"
        browser.write_text(_BROWSER.format(opened=folder / "opened"))
        browser.chmod(0o755)
        return desk

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "application.yaml"

    @property
    def file(self) -> Path:
        """The file of an SQLite database."""
        return Path(str(self.url.database))

    @property
    def opened(self) -> list[str]:
        """The addresses that the browser has opened."""
        file = self.folder / "opened"
        return file.read_text().split() if file.exists() else []

    @contextmanager
    def start(
        self, *flags: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None, program: str = "antarest/gui.py"
    ) -> Iterator[Server]:
        """Start the application. At the end it is stopped, if it still runs.

        Args:
            flags: further flags.
            cwd: the folder of the checkout.
            env: variables to add to the environment.
            program: the program to start.
        """
        ours = {"XDG_RUNTIME_DIR": str(self.folder / "runtime"), "BROWSER": str(self.folder / "browser")}
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            out, err = (stack.enter_context((folder / name).open("wb")) for name in ("out", "err"))
            process: Popen[bytes] = Popen(
                [sys.executable, program, f"--config={self.config}", *flags],
                cwd=cwd,
                env={**os.environ, **ours, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            stack.callback(process.wait, HANGS)
            stack.callback(process.kill)
            server = Server(process, folder)
            yield server
            assert "Traceback" not in server.out + server.err, server.err
            assert not self.url.password or str(self.url.password) not in server.out + server.err

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session that writes into the database."""
        engine = create_db_engine(self.url)
        with Session(engine) as session:
            yield session
        engine.dispose()
