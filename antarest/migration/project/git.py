"""Reads from git, and runs `git switch`. Nothing here uses a network."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .revision_files import is_revision_file

_FIELDS = 3
# Git sets these for its hooks and aliases. They can name another repository or folder.
_PLACES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"}

MAINS = ("origin/main", "main", "origin/master", "master")
"""The usual names of the main branch, in the order in which they are tried."""

SWITCHING = "ANTAREST_SWITCHING"
"""Our git hooks print nothing while this variable is set, because the running command migrates the database itself."""


@dataclass(frozen=True)
class Repository:
    """A git repository, and one of its working trees.

    Attributes:
        root: the top of the working tree.
        folder: git's own folder, which all working trees share: `.git` of the first working tree.
    """

    root: Path
    folder: Path

    @classmethod
    def of(cls, place: Path) -> Repository | None:
        """Return the repository of a folder. None if the folder is in no repository, or if git is not installed."""
        said = _run(place, "rev-parse", "--show-toplevel", "--git-common-dir")
        if said is None or len(paths := said.decode(errors="surrogateescape").splitlines()) < 2:  # noqa: PLR2004 - bare
            return None
        return cls(Path(paths[0]), (place / paths[1]).resolve())

    def ask(self, *arguments: str) -> str:
        """Run a git command, and return its output without the last line break. The result is empty if git fails."""
        said = _run(self.root, *arguments)
        return "" if said is None else said.decode(errors="surrogateescape").rstrip("\n")

    def lines(self, *arguments: str) -> list[str]:
        """Run a git command, and return the lines that it prints."""
        return self.ask(*arguments).splitlines()

    def commit(self, ref: str) -> str:
        """Return the commit of a branch, a tag or the beginning of a commit id; empty if git has no such commit."""
        return "" if ref.startswith("-") else self.ask("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")

    @property
    def main(self) -> str:
        """The last common commit of this branch and the main branch; empty if they have no common commit."""
        return next((base for name in MAINS if (base := self.ask("merge-base", "HEAD", name))), "")

    @property
    def branch(self) -> str:
        """The branch that is checked out; empty if HEAD is detached."""
        return self.ask("symbolic-ref", "--quiet", "--short", "HEAD")

    @property
    def rebased_onto(self) -> str:
        """The commit onto which an unfinished `git rebase` moves commits; empty if no rebase is unfinished."""
        for kind in ("rebase-merge", "rebase-apply"):
            path = self.root / self.ask("rev-parse", "--git-path", f"{kind}/onto")
            if path.is_file():
                return path.read_text(encoding="ascii").strip()
        return ""

    @property
    def hooks(self) -> Path:
        """The folder of the git hooks."""
        return self.root / self.ask("rev-parse", "--git-path", "hooks")

    @property
    def is_shallow(self) -> bool:
        """Whether the clone has only the newest part of the history."""
        return self.ask("rev-parse", "--is-shallow-repository") == "true"

    def branch_of(self, name: str) -> str:
        """Return the commit that `git switch NAME` checks out.

        It is the commit of a branch, or of the only remote branch of that name.
        """
        if commit := self.commit(f"refs/heads/{name}"):
            return commit
        remotes = self.lines("for-each-ref", "--format=%(objectname)", f"refs/remotes/*/{name}")
        return remotes[0] if len(remotes) == 1 else ""

    def refuses(self, commit: str) -> str:
        """Return why git refuses to switch to a commit; empty if git would switch.

        Git refuses, for example, if the switch would overwrite a file that has uncommitted changes.
        """
        self._change("update-index", "-q", "--refresh")  # else a file counts as changed after a `touch`
        return self._change("read-tree", "--dry-run", "-m", "-u", "--exclude-per-directory=.gitignore", "HEAD", commit)

    def switch(self, *arguments: str) -> str:
        """Run `git switch`.

        Returns:
            The reason why git refused; empty if git has switched.
        """
        return self._change("switch", "--quiet", *arguments)

    def changes(self, folder: Path) -> dict[str, bool]:
        """Return the paths in a folder with uncommitted changes. The value of a path says whether the file exists."""
        listed = self.ask("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", str(folder))
        return {entry[3:]: (self.root / entry[3:]).is_file() for entry in filter(None, listed.split("\0"))}

    def _change(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=_environment({SWITCHING: "1"}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            start_new_session=True,  # Ctrl-C must not stop git in the middle of a change.
        )
        lines = " ".join(done.stderr.split()).removeprefix("error: ").removeprefix("fatal: ")
        return (lines or f"git {arguments[0]} failed") if done.returncode else ""

    def path(self, place: Path) -> str:
        """Return a path in the form of git: relative to the top of the working tree."""
        return os.path.relpath(place.resolve(), self.root.resolve())

    def files(self, commit: str, folders: Sequence[Path], *, recursive: bool = False) -> dict[str, bytes]:
        """Return the revision files that a commit has in these folders, as a mapping from paths to contents."""
        found = self.objects(commit, folders, recursive=recursive)
        return dict(zip(found, self.blobs(list(found.values())), strict=True))

    def objects(self, commit: str, folders: Sequence[Path], *, recursive: bool = False) -> dict[str, str]:
        """Return the ids of the git objects of the files that `files` returns. The key is the path of the file."""
        names = [f"{self.path(folder)}/" for folder in folders]
        listed = self.ask("ls-tree", "-z", "--full-tree", *(["-r"] if recursive else []), commit, *names)
        blobs = {}
        for entry in filter(None, listed.split("\0")):
            facts, _, name = entry.partition("\t")
            if facts.split()[1] == "blob" and is_revision_file(name.rpartition("/")[2]):
                blobs[name] = facts.split()[2]
        return blobs

    def blobs(self, objects: Sequence[str]) -> list[bytes]:
        """Return the contents of git objects, such as `HEAD:alembic.ini`. The content of a missing object is empty."""
        if not objects:
            return []
        said = _run(self.root, "cat-file", "--batch", given="\n".join(objects).encode() + b"\n") or b""
        contents, position = [], 0
        for _ in objects:
            end = said.find(b"\n", position)
            facts = said[position:end].split()
            size = int(facts[2]) if len(facts) == _FIELDS and facts[1] != b"missing" else None
            contents.append(b"" if size is None else said[end + 1 : end + 1 + size])
            position = end + 1 + (0 if size is None else size + 1)
        return contents


def _environment(more: dict[str, str]) -> dict[str, str]:
    """Return the environment for git. Git uses the working directory, fetches nothing, and asks for no password."""
    kept = {name: value for name, value in os.environ.items() if name not in _PLACES}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C", **more}


def _run(place: Path, *arguments: str, given: bytes | None = None) -> bytes | None:
    """Run git and return its output. None if git fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=place,
            env=_environment({"GIT_OPTIONAL_LOCKS": "0"}),  # A command that only reads takes no lock.
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
