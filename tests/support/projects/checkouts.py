"""The classes of the fixtures: commands that are run as a user runs them, and checkouts to run them in."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.programs.processes import Popen

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]  # the type of the fixture "run"
ConfigFile = Callable[..., Path]  # the type of the fixture "config_file"


def run(
    *command: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float = 600,
    traceback: bool = False,
) -> Result:
    """Run a command as a user does, with the programs of this interpreter's environment first on the PATH.

    Args:
        command: the program and its arguments; "python" is this interpreter.
        cwd: the folder to run it in.
        env: variables to add to the environment.
        stdin: the input of the command.
        timeout: the seconds after which the command counts as hanging.
        traceback: whether the command may print a traceback.
    """
    programs = Path(sys.executable).parent
    search = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    with Popen(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": search, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
    result = Result(process.returncode, out, err)
    assert traceback or "Traceback" not in result.out + result.err, result.err
    return result


@dataclass(frozen=True)
class Checkout:
    """A copy of this repository, under version control, that a test may change."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> Checkout:
        """Copy the tracked and the new files with their compiled files, but no ignored files."""
        subprocess.run(["cp", "-pR", f"{_committed()}/.", path], check=True)
        scratch = Path(".git", "antarest", "scratch")  # This way, the same revisions do not run again in each copy.
        (path / scratch).mkdir(parents=True)
        for file in (ROOT / scratch).glob("*.*"):
            with suppress(OSError):  # Another test has moved the file.
                shutil.copy2(file, path / scratch)
        return cls(path)

    def install(self) -> None:
        """Make `make` use the environment that runs the tests."""
        venv = self.path / ".venv"
        venv.mkdir()
        for part in Path(sys.prefix).iterdir():
            if part.name != ".installed":
                (venv / part.name).symlink_to(part)
        (venv / ".installed").touch()

    @property
    def revisions(self) -> list[Path]:
        """The revision files, by name."""
        return sorted((self.path / "alembic" / "versions").glob("*.py"))

    def run(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 600,
        traceback: bool = False,
    ) -> Result:
        """Run a command in this checkout and with its code."""
        variables = {"PYTHONPATH": str(self.path), **(env or {})}
        return run(*command, cwd=self.path, env=variables, stdin=stdin, timeout=timeout, traceback=traceback)

    def git(self, *arguments: str) -> str:
        """Run git in this checkout, and return its output."""
        return _git(self.path, *arguments)

    def commit(self, message: str) -> None:
        """Commit all changes."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")


@cache
def _committed() -> Path:
    """Return a repository with the files of this one, which exists until this process ends.

    A copy of it takes a tenth of the time that git needs for a new repository.
    """
    place = tempfile.TemporaryDirectory(prefix="antarest-checkout-")  # on the disk of the copies
    atexit.register(place.cleanup)
    path = Path(place.name)
    listed = _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # a file that is deleted but not committed is still listed
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)
            for compiled in (ROOT / name).parent.glob(f"__pycache__/{Path(name).stem}.*.pyc"):
                (path / name).parent.joinpath("__pycache__").mkdir(exist_ok=True)
                shutil.copy2(compiled, (path / name).parent / "__pycache__")
    _git(path, "init", "--quiet", "--initial-branch=main")
    Checkout(path).commit("Copy the working tree")
    _git(path, "repack", "-adq")  # Git then has one file instead of one for each object.
    return path


def _git(folder: Path, *arguments: str) -> str:
    # Without the user's own settings of git, such as signing, hooks and templates.
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TEMPLATE_DIR": ""}
    person = {f"GIT_{role}_{what}": "tests" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = run("git", *arguments, cwd=folder, env={**settings, **person}, traceback=True)
    assert done.code == 0, done.err
    return done.out
