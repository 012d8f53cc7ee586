"""What the tests of the core share: a user without rights, and a folder that such a user can reach."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from antarest.core.config import CHECKOUT

_NOBODY = 65534

AsNobody = Callable[..., str]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can enter; that of `tmp_path` lies in one that only its owner can."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def as_nobody() -> AsNobody:
    """Run a program text with arguments in a child process that root's rights are taken from; returns its output."""

    def run(program: str, *arguments: object) -> str:
        # The imports come first: the code may lie where only root can read.
        imports, _, rest = program.partition("\n\n")
        drop = "import os\nif os.geteuid() == 0:\n    os.setgroups([])\n"
        drop += f"    os.setgid({_NOBODY})\n    os.setuid({_NOBODY})\n"
        done = subprocess.run(
            [sys.executable, "-c", f"{imports}\n{drop}\n{rest}", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
