"""A user who runs commands on a database, through a pipe or on a terminal."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from tests.support.data.database import Database
from tests.support.programs.processes import Popen
from tests.support.projects.checkouts import ROOT, Result, run

_HANGS = 300


@dataclass(frozen=True)
class User:
    """Runs commands on one database, in this checkout or in another one. No command may show its password.

    Attributes:
        url: the database.
        config: the configuration file that names the database; ANTAREST_CONF names the file.
        folder: the folder in which the commands run.
    """

    url: URL
    config: Path
    folder: Path = ROOT

    @property
    def database(self) -> Database:
        """The database, for direct queries."""
        return Database(self.url)

    def current(self) -> tuple[str, ...]:
        """The current revisions of the database."""
        return self.database.workflow.current()

    def inv(self, verb: str, *flags: str) -> Result:
        """Run `inv db.VERB`."""
        return self.run("inv", f"db.{verb}", *flags)

    def module(self, verb: str, *flags: str) -> Result:
        """Run `python -m antarest.migration VERB`."""
        return self.run("python", "-m", "antarest.migration", verb, *flags)

    def run(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """Run any command, through a pipe."""
        done = run(*command, cwd=cwd or self.folder, env={**self._environment(), **(env or {})})
        self._check(done)
        assert "\x1b" not in done.out + done.err
        return done

    def at_terminal(
        self, *command: str | Path, answer: str = "", env: Mapping[str, str] | None = None, signum: int = 0
    ) -> Result:
        """Run a command at a terminal, which shows both of its streams.

        Type an answer ahead, or send a signal when the command asks its question.
        """
        here, there = pty.openpty()
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        with Popen(
            [str(part) for part in command],
            cwd=self.folder,
            env={**os.environ, "PATH": search, "TERM": "xterm", **self._environment(), **(env or {})},
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
        ) as process:
            os.close(there)
            shown = ""
            if signum:
                while "[y/N]" not in shown:
                    shown += os.read(here, 65_536).decode()
                process.send_signal(signum)
            else:
                os.write(here, f"{answer}\n".encode())
            shown += _read(here)
            done = Result(process.wait(_HANGS), shown, "")
        self._check(done)
        return done

    def _environment(self) -> dict[str, str]:
        return {"ANTAREST_CONF": str(self.config), "PYTHONPATH": str(self.folder)}

    def _check(self, done: Result) -> None:
        shown = done.out + done.err
        assert "Traceback" not in shown, shown
        assert not self.url.password or str(self.url.password) not in shown


def _read(terminal: int) -> str:
    """Return the output on a terminal until all processes have closed it."""
    shown = b""
    try:
        while part := os.read(terminal, 65_536):
            shown += part
    except OSError:  # Linux says EIO at the end
        pass
    finally:
        os.close(terminal)
    return shown.decode().replace("\r\n", "\n")


def assert_shows(shown: str, *parts: str) -> None:
    """Assert that the output has all these texts, in this order."""
    position = 0
    for part in parts:
        found = shown.find(part, position)
        assert found >= 0, f"{part!r} is not, or not here, in:\n{shown}"
        position = found + len(part)
