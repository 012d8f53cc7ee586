"""Finds the revisions that a database has run, with the code that was applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..database.record import RecordLine, last_applied
from ..errors.facts.branches import RevisionLost
from ..errors.revision import Revision
from ..project.history import History
from ..project.project import Project
from ..project.revision_files import digest_of, does_the_same
from ..project.revision_search import FoundRevision, RevisionSearch


@dataclass(frozen=True)
class Applied:
    """The applied revisions of a database.

    Attributes:
        revisions: a mapping from the id of each applied revision to the revision.
        contents: a mapping from the id of each applied revision to the content of its file.
        found: the files that were found outside of this checkout. The key is the id of the revision.
        changed: the recorded hash of each applied file that was not found, if a different file of its revision was
            found instead. The key is the id of the revision.
        edited: the ids of the revisions whose applied file is lost. Their file in this checkout was edited later.
    """

    revisions: dict[str, Revision] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    found: dict[str, FoundRevision] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    edited: list[str] = field(default_factory=list)

    @cached_property
    def history(self) -> History:
        """The applied revisions as a graph."""
        return History(self.revisions.values())


def read_applied(
    home: Project, history: History, current: Sequence[str], record: Sequence[RecordLine], database: str
) -> Applied:
    """Find every revision that a database has run, with the code that was applied.

    Args:
        home: the project in this checkout.
        history: the revisions to look at first. If the file of a revision is the applied file, git is not searched.
        current: the current revisions of the database.
        record: the record of the database, which has the hash of each applied file.
        database: the URL of the database, redacted.

    Raises:
        RevisionLost: the file of a revision cannot be found.
    """
    result, reader = Applied(), _Reader(home, history, last_applied(record))
    waiting = list(current)
    while waiting:
        if (id_ := waiting.pop()) not in result.revisions:
            revision = reader.read(id_, result)
            if revision is None:
                has_git = home.repository is not None
                raise RevisionLost(id_, database, reader.searched, is_shallow=reader.is_shallow, has_git=has_git)
            result.revisions[id_] = revision
            waiting.extend(revision.predecessors)
    return result


class _Reader:
    def __init__(self, home: Project, history: History, last: Mapping[str, RecordLine]) -> None:
        self._home = home
        self._history = history
        self._last = last

    @cached_property
    def _search(self) -> RevisionSearch | None:
        repository = self._home.repository
        home = self._home
        return RevisionSearch(repository, home.versions, recursive=home.is_recursive) if repository else None

    @property
    def searched(self) -> str:
        """The places that were searched, in one line."""
        return self._search.searched if self._search else f"{self._home.folder}; this is not a git repository"

    @property
    def is_shallow(self) -> bool:
        """Whether the clone of the repository is shallow. If so, it lacks the older commits."""
        return self._home.repository is not None and self._home.repository.is_shallow

    def read(self, id_: str, into: Applied) -> Revision | None:
        """Find the applied file of a revision, add the file to `into`, and return the revision; None if not found."""
        history = self._history
        digest = self._last[id_].digest if id_ in self._last else ""
        here = history[id_].path.read_bytes() if id_ in history else None
        if here is not None and digest in ("", digest_of(here)):
            into.contents[id_] = here
            return history[id_]
        found = self._search.find(id_, digest) if self._search else None
        is_what_was_applied = found is not None and digest in ("", found.digest)
        if here is not None and (found is None or not is_what_was_applied or does_the_same(here, found.content)):
            if not is_what_was_applied:
                into.edited.append(id_)
            into.contents[id_] = here
            return history[id_]
        if found is None:
            return None
        if not is_what_was_applied:
            into.changed[id_] = digest
        into.contents[id_], into.found[id_] = found.content, found
        return found.revision


def is_on_main(project: Project, name: str) -> bool:
    """Return whether a revision file of this name is in the newest commit that main and this branch have in common.

    Without git, or if there is no such commit, return False.
    """
    repository = project.repository
    if repository is None or not (base := repository.main):
        return False
    there = repository.objects(base, project.versions, recursive=project.is_recursive)
    return any(Path(path).name == name for path in there)
