"""The search for a revision file that this checkout lacks, in the store of applied revisions and in git."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors.base import AntarestError
from ..errors.revision import Revision
from ..errors.settings.whole_file import content_of
from ..errors.text import count
from .git import Repository
from .revision_files import digest_of, parse_revision
from .revision_store import RevisionStore

_NAMED = re.compile(r"[\w.-]+")
_REFS = {"refs/heads/": "branch ", "refs/tags/": "tag ", "refs/remotes/": "remote branch ", "refs/stash": "the stash"}
_STORE = "the store of applied revisions"
_HERE = "this working tree"
_SHORT = 10


@dataclass(frozen=True)
class FoundRevision:
    """A revision file that was found.

    Attributes:
        revision: the declarations of the file.
        content: the content of the file.
        place: where the file was found, such as `branch feature/reserves`.
        commit: the commit that has the file; empty if it was not committed.
        author: the author of the commit.
        date: the date of the commit, in the form of ISO 8601.
        ref: a branch or tag that has this commit; empty if no branch or tag has it.
    """

    revision: Revision
    content: bytes
    place: str
    commit: str = ""
    author: str = ""
    date: str = ""
    ref: str = ""

    @property
    def digest(self) -> str:
        """The hash of the file, in the form in which a database records it."""
        return digest_of(self.content)

    @property
    def is_here(self) -> bool:
        """Whether the revision was found as a file of this checkout."""
        return self.place == _HERE

    @property
    def origin(self) -> str:
        """The place, commit, author and date of the file in one line."""
        return ", ".join(filter(None, [self.place, self.commit[:_SHORT], self.author, self.date[:10]]))


class RevisionSearch:
    """A search for revision files in one repository."""

    def __init__(self, repository: Repository, folders: Sequence[Path], *, recursive: bool = False) -> None:
        """Prepare a search.

        Args:
            repository: the repository to search.
            folders: the folders of the revision files, as this checkout has them.
            recursive: whether the folders below `folders` are read too.
        """
        self._repository = repository
        self._is_recursive = recursive
        self._below = "**/" if recursive else ""
        self._folders = [repository.path(folder) for folder in folders]
        self.store = RevisionStore(repository)
        self._beside: dict[str, list[FoundRevision]] = {}

    def find(self, revision: str, digest: str = "") -> FoundRevision | None:
        """Find the file of a revision.

        Args:
            revision: the id of the revision.
            digest: the hash of the applied file; if it is empty, the first file that is found is returned.

        Returns:
            The file with that hash, else the first file that declares the revision, else None. Even if the store has
            the file, the search looks in git too, because only git knows the branch of the file.
        """
        stored = [
            found for content in self.store.find(revision) for found in self._declaring(revision, content, _STORE)
        ]
        wanted = digest or (stored[0].digest if stored else "")
        others: list[FoundRevision] = []
        for found in self.in_git(revision):
            if wanted in ("", found.digest):
                return found
            others.append(found)
        known = [*stored, *others]
        exact = [found for found in known if found.digest == wanted]
        return next(iter(exact or known), None)

    @property
    def searched(self) -> str:
        """The places in which `find` looks, in one line."""
        names = self._repository.lines("for-each-ref", "--format=%(refname)")
        parts = [f"{_STORE} ({len(self.store)} files)"]
        for prefix, word in {"refs/heads/": "branch", "refs/tags/": "tag", "refs/remotes/": "remote branch"}.items():
            number = sum(name.startswith(prefix) for name in names)
            parts.append(count(number, word, f"{word}es" if word.endswith("ch") else ""))
        return ", ".join([*parts, "stashes, the reflog, the working trees"])

    def in_git(self, revision: str) -> Iterator[FoundRevision]:
        """Yield the files of a revision in git: in branches, tags, stashes, the reflog and working trees."""
        yield from self._beside.get(revision, [])
        yield from self._in_commits(revision)
        yield from self._in_working_trees(revision)

    # ---- in git

    def _in_commits(self, revision: str) -> Iterator[FoundRevision]:
        """Yield the files of a revision in the commits of branches, tags, stashes and the reflog; branches first."""
        matches = [f":(top,glob){folder}/{self._below}*{revision}*.py" for folder in self._folders]
        found = self._declared(revision, "--", *matches) if _NAMED.fullmatch(revision) else {}
        # The name of a file does not have to contain the id.
        found = found or self._declared(revision, f"-S{revision}", "--", *[f":(top){name}" for name in self._folders])
        placed = [self._placed(each) for each in found.values()]
        order = [*_REFS.values(), "stash", "the reflog"]
        for each in sorted(placed, key=lambda each: [each.place.startswith(word) for word in order].index(True)):
            self._remember_beside(each)
            yield each

    def _declared(self, revision: str, *arguments: str) -> dict[str, FoundRevision]:
        """Return the files that declare a revision, by their hashes. `arguments` select commits in `git log`."""
        seen = self._log(*arguments)
        objects = [f"{commit}:{path}" for commit, _, _, path in seen]
        found: dict[str, FoundRevision] = {}
        for (commit, author, date, path), content in zip(seen, self._repository.blobs(objects), strict=True):
            for each in self._declaring(revision, content, "", commit, author, date, name=path):
                found.setdefault(each.digest, each)
        return found

    def _log(self, *arguments: str) -> list[tuple[str, str, str, str]]:
        """Return the commit, author, date and path of each change to a revision file in `git log`, newest first."""
        known = ("--all", "--reflog", "-m", "--no-renames", "--diff-filter=AM", "--name-only")
        result: list[tuple[str, str, str, str]] = []
        commit: Sequence[str] = ()
        for line in self._repository.lines(
            "-c", "core.quotePath=false", "log", *known, "--format=%x01%H%x01%an%x01%aI", *arguments
        ):
            if line.startswith("\x01"):
                commit = line[1:].split("\x01")
            elif line and len(commit) == 3:  # noqa: PLR2004 - what the format names
                result.append((commit[0], commit[1], commit[2], line))
        return result

    def _placed(self, found: FoundRevision) -> FoundRevision:
        """Add the place of the commit, such as `branch feature/reserves`, to a file that was found."""
        names = self._repository.lines("for-each-ref", f"--contains={found.commit}", "--format=%(refname)")
        for prefix, word in _REFS.items():
            for name in names:
                if name.startswith(prefix):
                    return replace(found, place=word + name.removeprefix(prefix), ref=name)
        for line in self._repository.lines("stash", "list", "--format=%gd %H %P"):
            name, *commits = line.split()
            if found.commit in commits:
                return replace(found, place=f"stash {name}")
        return replace(found, place="the reflog")

    def _remember_beside(self, found: FoundRevision) -> None:
        """Remember the other revision files of the same commit: the next search is probably for one of them."""
        places = [Path(self._repository.root, folder) for folder in self._folders]
        for path, content in self._repository.files(found.commit, places, recursive=self._is_recursive).items():
            for each in self._declaring("", content, found.place, found.commit, found.author, found.date, name=path):
                self._beside.setdefault(each.revision.id, []).append(each)

    def _in_working_trees(self, revision: str) -> Iterator[FoundRevision]:
        for line in self._repository.lines("worktree", "list", "--porcelain"):
            tree = Path(line.removeprefix("worktree "))
            if not line.startswith("worktree "):
                continue
            place = _HERE if tree == self._repository.root else f"working tree {tree}"
            for path in (
                path for folder in self._folders for path in sorted((tree / folder).glob(f"{self._below}*.py"))
            ):
                yield from self._declaring(revision, content_of(path), place, name=str(path))

    def _declaring(
        self,
        revision: str,
        content: bytes,
        place: str,
        commit: str = "",
        author: str = "",
        date: str = "",
        *,
        name: str = "",
    ) -> Iterator[FoundRevision]:
        """Yield the file if it can be read and declares the revision. An empty `revision` stands for any revision."""
        try:
            declared = parse_revision(content, Path(name or f"{self._folders[0]}/revision.py"))
        except AntarestError:
            return
        if revision in ("", declared.id):
            yield FoundRevision(declared, content, place, commit, author, date)


def describe_location(
    repository: Repository, folders: Sequence[Path], revision: str, *, recursive: bool = False
) -> str:
    """Return a sentence that says where the file of a revision is.

    Args:
        repository: the repository to search.
        folders: the folders of the revision files.
        revision: the id of the revision.
        recursive: whether the folders below `folders` are read too.

    Returns:
        The sentence; empty if the file is not found.
    """
    search = RevisionSearch(repository, folders, recursive=recursive)
    for found in search.in_git(revision):
        ahead = repository.ask("rev-list", "--count", f"HEAD..{found.ref or found.commit}")
        distance = f" ({count(int(ahead), 'commit')} ahead of this checkout)" if ahead else ""
        return f"{found.place[0].upper()}{found.place[1:]} has it{distance}."
    return "The store of applied revisions has it." if any(search.store.find(revision)) else ""
