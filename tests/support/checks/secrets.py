"""Run commands, and search their output, files and processes for a password."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.checks.refusals import MARK
from tests.support.programs.processes import Popen
from tests.support.projects.checkouts import ROOT

_HANGS = 600

# Runs commands one after the other, as their programs do, and notes every program that they start. One process for all
# of them: a start takes half a second. The loggers say all that they have to say.
_DRIVER = """
import json, logging, sys, traceback
import alembic.config
from antarest.core.config import load_config
from antarest.migration.commands.program import main
from antarest.migration.project.project import Project
from antarest.migration.workflow import MigrationWorkflow

started = open(sys.argv[1], "a")
def hear(event, arguments):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        started.write(f"{arguments[:2]}\\n")
sys.addaudithook(hear)
logging.basicConfig(level=logging.DEBUG)
for words in json.loads(sys.argv[2]):
    print("$", *words, flush=True)
    try:
        if words == ["a program"]:
            code = MigrationWorkflow.from_config(load_config(), Project.load("alembic.ini")).upgrade() and 0
        else:
            code = (alembic.config.main(argv=words[1:]) if words[0] == "alembic" else main(words)) or 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 255
    print("exit code", code, flush=True)
"""


# Each verb with flags with which it has an effect, and the commands of plain Alembic.
EACH_VERB = {
    "upgrade": ["--lock-timeout=0"],
    "rollback": ["--yes", "--allow-data-loss", "--lock-timeout=0"],
    "sync": ["--yes", "--allow-data-loss", "--allow-changed", "--lock-timeout=0"],
    "switch": ["main", "--yes", "--allow-data-loss", "--allow-changed", "--lock-timeout=0"],
    "redo": ["--yes", "--allow-data-loss", "--lock-timeout=0"],
    "rebase": ["--yes", "--allow-data-loss", "--lock-timeout=0"],
    "merge": ["--message=join"],
    "deployed": ["0146b79f723c"],
    "sql": ["base", "b3d94a6e7f10"],
    "release-notes": ["base", "7c1f0e5ab284"],
    "reset": ["--yes", "--allow-data-loss", "--allow-production", "--lock-timeout=0"],
    "restore": ["--yes", "--allow-data-loss", "--end-sessions"],
    "revision": ["--message=add road", "--empty"],
    "verify": ["--engine=sqlite", "--revisions=base:0146b79f723c"],
    "baseline": ["--engine=sqlite"],
    "seed": ["--studies=3", "--allow-production"],
    **{
        verb: []
        for verb in (
            "backup",
            "backups",
            "status",
            "history",
            "check",
            "grant",
            "snapshot",
            "rollback-script",
            "install-hooks",
            "deployed-clear",
            "diagram",
        )
    },
}
ONLY_ON_SCRATCH = ("baseline", "snapshot")
PLAIN_ALEMBIC = [
    "alembic -x lock-timeout=0 upgrade head",
    "alembic -x lock-timeout=0 -x allow-data-loss downgrade -1",
    "alembic current --verbose",
    "alembic upgrade head --sql",
    "alembic stamp head",
    "alembic check",
]

# These run one after the other on an empty database, with these exit codes.
ALL_IS_WELL = [
    ("status", 1),
    ("status --json", 1),
    ("upgrade --dry-run --debug", 0),
    ("upgrade", 0),
    ("history", 0),
    ("check", 0),
    ("verify --engine=sqlite --revisions=base:0146b79f723c", 0),
    ("grant", 0),
    ("backup", 0),
    ("backups --json", 0),
    ("rollback --dry-run", 0),
    ("restore --yes --allow-data-loss --end-sessions", 0),
    ("rollback --steps=2 --yes --allow-data-loss --backup", 0),
    ("sync --yes --allow-data-loss --allow-changed --backup", 0),
    ("switch main --yes --allow-data-loss --allow-changed --backup", 0),
    ("reset --yes --allow-data-loss --allow-production", 0),
    ("revision --message=secrets --empty", 0),
    ("revision --amend --dry-run", 0),
    ("rebase --dry-run", 0),
    ("merge", 0),
    ("redo --yes --allow-data-loss", 0),
    ("rollback-script", 0),
    ("install-hooks", 0),
    ("deployed 0146b79f723c", 0),
    ("deployed-clear", 0),
    ("sql base b3d94a6e7f10", 0),
    ("release-notes base 7c1f0e5ab284", 0),
    ("rollback --sql", 0),
    ("diagram", 0),
    ("snapshot", 0),
    ("seed --studies=3 --allow-production", 0),
    ("alembic history --verbose", 0),
    ("alembic show head", 0),
    ("alembic upgrade head", 0),
    ("alembic current --verbose", 0),
    ("alembic upgrade head --sql", 0),
    ("alembic -x allow-data-loss downgrade -2", 0),
    ("alembic stamp head", 0),
    ("status --json", 0),
]


@dataclass
class Watched:
    """A folder in which commands are run, with its own home and temporary folder.

    Files that already contain the password are not searched, because the test has written it there.

    Attributes:
        folder: the folder in which the commands run.
        env: variables for the commands.
        said: all output so far.
    """

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    said: str = ""

    def __post_init__(self) -> None:
        self._known = set(self._files())
        self._own = self.folder / ".own"
        for name in ("home", "tmp"):
            (self._own / name).mkdir(parents=True, exist_ok=True)
        self._started = self._own / "started"

    def run_all(self, commands: Sequence[Sequence[str]]) -> list[int]:
        """Run commands of ours and of Alembic in one process, and return their exit codes."""
        done = self.run(sys.executable, "-c", _DRIVER, str(self._started), json.dumps(commands))
        codes = [line.removeprefix("exit code ") for line in done.splitlines() if line.startswith("exit code ")]
        assert len(codes) == len(commands), done
        return [int(code) for code in codes]

    def run(self, *command: str | Path, answer: str = "") -> str:
        """Run a command, record the command lines of all processes that it starts, and return its output."""
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        own = {
            "HOME": str(self._own / "home"),
            "TMPDIR": str(self._own / "tmp"),
            "PYTHONPATH": str(ROOT),
            "PATH": search,
        }
        process = Popen(
            [str(word) for word in command],
            cwd=self.folder,
            env={**os.environ, **own, **self.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        with _command_lines(process.pid) as seen:
            said, _ = process.communicate(answer, timeout=_HANGS)
        self.said += said + "".join(seen)
        return said

    def assert_no_secret(self) -> None:
        """Assert that the secret is in no output, no file, no file name and no command line."""
        assert MARK not in self.said, [line for line in self.said.splitlines() if MARK in line]
        assert set(self._files()) - self._known == set()
        assert [path for path in self.folder.rglob("*") if MARK in path.name] == []

    def _files(self) -> Iterator[Path]:
        """Return the files that have the secret."""
        for path in self.folder.rglob("*"):
            if path.is_file() and MARK.encode() in path.read_bytes():
                yield path


@contextmanager
def _command_lines(session: int) -> Iterator[set[str]]:
    """Return the command lines of the processes of a session, as every user of this machine can see them."""
    seen: set[str] = set()
    others: set[str] = set()  # A process of another session cannot join this session, so it is enough to read it once.
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.01):
            for name in {*filter(str.isdigit, os.listdir("/proc"))} - others:  # noqa: PTH208 - paths would take longer
                process = Path("/proc", name)
                try:
                    # After the name, which may contain any character: state, parent, group, session.
                    if int((process / "stat").read_text().rpartition(")")[2].split()[3]) != session:
                        others.add(name)
                    else:
                        seen.add((process / "cmdline").read_text().replace("\0", " ") + "\n")
                except (OSError, IndexError):  # The process has ended.
                    continue

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
