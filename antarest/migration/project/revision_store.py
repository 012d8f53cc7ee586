"""The store: a copy of each revision file that was applied from this repository, even if it was never committed.

The store is in git's own folder. So all working trees share the store, and it is never committed. The name of a copy
contains the hash of its content. If the content has another hash, the copy was changed, and it is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from ..errors.settings.whole_file import content_of, delete_left, write_whole
from .git import Repository
from .revision_files import digest_of


class RevisionStore:
    """The copies of the revision files that were applied from one repository."""

    def __init__(self, repository: Repository) -> None:
        """Open the store of a repository. The folder of the store need not exist yet."""
        self.folder = repository.folder / "antarest" / "revisions"

    def note_generated(self, revision: str, content: bytes) -> None:
        """Record the hash of a new revision file. Call this before the file is moved to its place.

        In this order, the hash of each revision file is known, even if the process is killed between the two steps.
        """
        path = self._generated(revision)
        _write(path, b"\n".join(filter(None, [content_of(path), digest_of(content).encode()])))

    def is_generated(self, revision: str, content: bytes) -> bool:
        """Return whether a revision file is unchanged since it was generated. Return False if this is not known."""
        return digest_of(content).encode() in content_of(self._generated(revision)).splitlines()

    def _generated(self, revision: str) -> Path:
        return self.folder.with_name("generated") / quote(revision, safe="")

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.glob("*.py"))

    def keep(self, revision: str, content: bytes) -> None:
        """Store a copy of a revision file. If this fails, raise no error: git probably has the file."""
        path = self.folder / f"{quote(revision, safe='')}.{_hash(content)}.py"
        if not path.exists():
            _write(path, content)  # Readable for all: another user of this clone may need it for a rollback.

    def find(self, revision: str) -> Iterator[bytes]:
        """Yield the copies of a revision file, newest first."""
        prefix = f"{quote(revision, safe='')}."
        paths = [path for path in self.folder.glob("*.py") if path.name.startswith(prefix)]
        for path in sorted(paths, key=lambda each: each.stat().st_mtime, reverse=True):
            content = content_of(path)
            if path.name == f"{prefix}{_hash(content)}.py":
                yield content


def keeping(repository: Repository | None) -> Callable[[str, bytes], None]:
    """Return a function that stores copies of applied revision files. Without a repository it stores nothing."""
    return RevisionStore(repository).keep if repository else lambda _revision, _content: None


def _write(path: Path, content: bytes) -> None:
    with suppress(OSError):
        delete_left([path.parent])
        write_whole(path, content)


def _hash(content: bytes) -> str:
    return digest_of(content).partition(":")[2]
