"""The installed wheel: in its own environment, where nothing of a checkout can be imported."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution, requires
from pathlib import Path

from tests.support.projects.checkouts import Result

_ALEMBIC = """\
#!/bin/sh
exec "{python}" -m alembic "$@"
"""


def build(kind: str, source: Path, target: Path) -> Path:
    """Build a distribution as `make wheel` does.

    Args:
        kind: `wheel` or `sdist`.
        source: the checkout, or an unpacked sdist.
        target: the folder for it.
    """
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel and the packages that it needs at run time, and nothing else.

    Attributes:
        prefix: the environment.
        home: the folder of its user, outside of the environment and of a checkout.
    """

    prefix: Path
    home: Path

    @classmethod
    def create(cls, wheel: Path, folder: Path, *extras: str) -> Installation:
        """Install it with pip. The packages that the wheel needs are links to those of the running environment."""
        installation = cls(folder / "environment", folder / "home")
        installation.home.mkdir(parents=True)
        python = installation.prefix / "bin" / "python3"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", installation.prefix], check=True)
        link_needed(installation.packages, *extras)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
        subprocess.run([*pip, str(wheel)], check=True)
        (installation.prefix / "bin" / "alembic").write_text(_ALEMBIC.format(python=python))
        (installation.prefix / "bin" / "alembic").chmod(0o755)
        return installation

    @property
    def packages(self) -> Path:
        """The folder site-packages of the environment."""
        (found,) = (self.prefix / "lib").glob("python3*/site-packages")
        return found

    @property
    def project(self) -> Path:
        """The Alembic project in the environment."""
        return self.packages / "antarest" / "_alembic"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the user: the environment is activated, and nothing else is set."""
        return {"PATH": f"{self.prefix}/bin:/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"}

    def run(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Result:
        """Run a command as the user, in the user's folder or another one."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.home,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def serving(self, *command: str | Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
        """Start a server for the block, and return its address. It is stopped with SIGTERM, and must exit with 0."""
        with subprocess.Popen(
            [str(part) for part in command],
            cwd=self.home,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout
            hanging = threading.Timer(120, process.kill)
            hanging.start()
            said: list[str] = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("listening"):
                    break
            try:
                assert said[-1:], "it said nothing"
                assert said[-1].startswith("listening"), "".join(said)
                yield said[-1].split()[1]
            finally:
                process.send_signal(signal.SIGTERM)
                rest = process.stdout.read()
                code = process.wait()
                hanging.cancel()
            assert (code, rest) == (0, "stopped\n"), "".join([*said, rest])

    def files(self) -> dict[str, str]:
        """Return the files in site-packages with their contents, without those of the linked packages."""
        found = {path.relative_to(self.packages): path for path in self.packages.rglob("*") if path.is_file()}
        # A file that Python compiled for a linked package of one module does not count.
        ours = {str(name): path for name, path in found.items() if name.parts[0] != "__pycache__"}
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in ours.items()}


def link_needed(folder: Path, *extras: str) -> None:
    """Link the packages that the wheel needs with these extras into a folder, from the running environment."""
    for name in _needed("antarest", extras):
        _link(name, folder)


def _needed(name: str, extras: Sequence[str]) -> set[str]:
    """Return the names of all distributions that a distribution needs with these extras, directly or indirectly."""
    own = [f"extra == {quote}{extra}{quote}" for extra in extras for quote in "'\""]
    found: set[str] = set()
    waiting = [name]
    while waiting:
        asking = waiting.pop()
        for line in requires(asking) or []:
            requirement, _, marker = line.partition(";")
            if asking == name and any(extra in marker for extra in own):
                marker = ""
            needed = re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0].lower()
            if "extra ==" not in marker and needed not in {name, *found} and _is_installed(needed):
                found.add(needed)
                waiting.append(needed)
    return found


def _is_installed(name: str) -> bool:
    """Return whether the distribution is installed. The others are needed on other platforms only."""
    try:
        distribution(name)
    except ModuleNotFoundError:
        return False
    return True


def _link(name: str, packages: Path) -> None:
    found = distribution(name)
    for top in {file.parts[0] for file in found.files or [] if file.parts[0] != ".."}:
        link = packages / top
        if top != "__pycache__" and not link.is_symlink():
            link.symlink_to(Path(str(found.locate_file(top))))
