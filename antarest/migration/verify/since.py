"""The revisions as git has them elsewhere: what a branch adds, and what was applied before a file was changed."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from antarest.core.errors import AntarestError, Hint, UsageError
from antarest.migration.verify.target import Target

_MAIN = ("origin/main", "main", "origin/master", "master")


def main_of(root: Path) -> str:
    """The commit from which the branch that is checked out parted from main; empty where nobody knows."""
    return next((base for name in _MAIN if (base := _git(root, "merge-base", "HEAD", name))), "")


def added(target: Target) -> Collection[str]:
    """What this branch adds to main: the revisions whose files main does not have.

    Raises:
        UsageError: there is no git, or no branch main.
    """
    root = target.project.root
    base = main_of(root)
    if not base:
        hint = Hint("Name the revisions", "inv db.verify --revisions=A:B")
        raise UsageError(f"--new needs git, and one of the branches {', '.join(_MAIN)}", hints=[hint])
    top = Path(_git(root, "rev-parse", "--show-toplevel"))
    there = {top / name for name in _git(root, "ls-tree", "-r", "--name-only", "--full-tree", base).splitlines()}
    history = target.history
    return [id_ for id_ in history.order if history[id_].path.resolve() not in there]


@contextmanager
def applied_at(target: Target, ref: str | None) -> Iterator[Target | None]:
    """The project with the revision files of a commit, in a folder that is gone with the block.

    Args:
        target: the project as it is checked out.
        ref: the commit; without it the one where this branch parted from main.

    Yields:
        None where no file of that commit differs: then there is nothing to prove.

    Raises:
        UsageError: git has no such commit.
    """
    root = target.project.root
    commit = _git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") if ref else main_of(root)
    if ref and not commit:
        raise UsageError(f"git has no commit {ref!r} here", hints=[Hint("Look for it", "git log --oneline --all")])
    with TemporaryDirectory(prefix="antarest-since-") as folder:
        old = _with_files(target, commit, Path(folder)) if commit else None
        if ref and old is None:
            raise UsageError(f"{ref} has none of the folders of the revisions", hints=[Hint("Name another commit")])
        yield old if old and _differs(old, target) else None


def _with_files(target: Target, commit: str, folder: Path) -> Target | None:
    project, folders = target.project, []
    for number, versions in enumerate(project.versions):
        place = folder / str(number)
        place.mkdir()
        name = f"{commit}:{os.path.relpath(versions.resolve(), _git(project.root, 'rev-parse', '--show-toplevel'))}"
        done = subprocess.run(["git", "archive", name], cwd=project.root, capture_output=True, check=False)
        if done.returncode == 0:
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
                files.extractall(place, filter="data")
            folders.append(place)
    if not folders:
        return None
    return replace(target, project=replace(project, versions=tuple(folders)), is_moved=True)


def _differs(old: Target, target: Target) -> bool:
    try:
        before = {id_: old.history[id_].path.read_bytes() for id_ in old.history.order}
        now = target.history
    except (AntarestError, SyntaxError):
        return False  # Files that make no history: nobody can have applied those of then; those of now are a finding.
    return any(id_ not in now or now[id_].path.read_bytes() != text for id_, text in before.items())


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""  # There is no git here.
    return done.stdout.strip() if done.returncode == 0 else ""
