"""A small change that breaks one protection, and the tests that must fail then."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FAILED = re.compile(r"^(?:FAILED|ERROR) (.*)$", re.MULTILINE)  # The id, which can have spaces, and a reason.
_USED_WRONGLY = 4  # pytest's exit code: for example, there is no such test


@dataclass(frozen=True)
class Patch:
    """One mutation.

    Attributes:
        name: the promise or the finding that the patch breaks.
        path: the file that the patch changes.
        old: the text to replace, which the file contains exactly once.
        new: the text that replaces it.
        tests: the tests that must all fail, as pytest names them, below `tests/`.
    """

    name: str
    path: str
    old: str
    new: str
    tests: Sequence[str]

    def is_stale(self, root: Path) -> bool:
        """Whether the file does not contain the old text exactly once."""
        return (root / self.path).read_text().count(self.old) != 1

    def survives(self, root: Path) -> list[str]:
        """Return the tests that pass with the patch. Undo the patch afterwards.

        Args:
            root: a copy of the project that no other process uses.
        """
        file = root / self.path
        before = file.read_text()
        file.write_text(before.replace(self.old, self.new))
        try:
            failed = failing(root, self.tests)
        finally:
            file.write_text(before)
        return [test for test in self.tests if not any(_is_of(each, f"tests/{test}") for each in failed)]


def _is_of(line: str, test: str) -> bool:
    """Return whether a line about a failure is about this test, with any of its parameters."""
    return line.startswith(test) and line[len(test) :][:1] in ("", "[", " ")


def failing(root: Path, tests: Sequence[str]) -> list[str]:
    """Run tests of a copy of the project, and return the tests that fail.

    Args:
        root: the copy.
        tests: as pytest names them, below `tests/`.

    Raises:
        RuntimeError: there is no such test.
    """
    options = ["-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "--no-header"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *(f"tests/{test}" for test in tests)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode == _USED_WRONGLY:
        raise RuntimeError(f"pytest does not know these tests: {', '.join(tests)}\n{ended.stdout}{ended.stderr}")
    return _FAILED.findall(ended.stdout)
