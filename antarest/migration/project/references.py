"""References to a revision. A tag, branch, commit or date stands for the head of the revisions in one commit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors.base import AntarestError
from ..errors.facts.branches import AmbiguousReference, ReferenceUnusable
from ..errors.facts.project import MultipleHeads, RevisionNotFound
from ..errors.revision import BASE
from .history import History
from .revision_files import parse_revision

if TYPE_CHECKING:
    from .git import Repository

_COMMIT = re.compile(r"[0-9a-f]{4,64}|HEAD.*|.*[~^@].*")


@dataclass(frozen=True)
class References:
    """Finds the revisions to which references in a checkout refer.

    Attributes:
        repository: the repository of the project.
        history: the revisions of the checkout.
        versions: the folders with the revision files.
        is_recursive: whether the folders below `versions` are read too.
    """

    repository: Repository
    history: History
    versions: Sequence[Path]
    is_recursive: bool = False

    def resolve(self, reference: str) -> str:
        """Return the id of the revision for a reference: a revision, a tag, a branch, a commit or a date.

        Raises:
            RevisionNotFound: no revision, git ref or date matches the reference.
            AmbiguousRevision: the reference is the beginning of two ids.
            AmbiguousReference: the reference has two meanings with different heads.
            ReferenceUnusable: the revisions of the commit cannot be read, have several heads, or have a head that this
                checkout lacks.
        """
        found: dict[str, str] = {}
        missing: RevisionNotFound | None = None
        try:
            found["revision"] = self.history.resolve(reference)
        except RevisionNotFound as error:
            missing = error
        for kind, commit in _commits(self.repository, reference):
            found[kind] = self.head_at(commit, f"{kind} {reference}")
        answers = set(found.values())
        if len(answers) > 1:
            raise AmbiguousReference(reference, found)
        if missing and not answers:
            raise missing
        return answers.pop()

    def head_at(self, commit: str, name: str) -> str:
        """Return the head of the revisions that a commit has.

        Args:
            commit: the commit.
            name: the name of the commit in messages.

        Raises:
            ReferenceUnusable: the commit has no revisions, several heads, or a head that this checkout lacks.
        """
        head = _head(self.history_at(commit, name), name)
        if head == BASE and len(self.history):  # Not `base`: the revisions of the commit are elsewhere.
            folders = ", ".join(self.repository.path(folder) for folder in self.versions)
            raise ReferenceUnusable(name, f"it has no revisions in {folders}")
        if head != BASE and head not in self.history:
            raise ReferenceUnusable(name, f"its head is {head}, which this checkout does not have")
        return head

    def history_at(self, commit: str, name: str) -> History:
        """Return the revisions that a commit has.

        Raises:
            ReferenceUnusable: the revisions cannot be read.
        """
        try:
            files = self.repository.files(commit, self.versions, recursive=self.is_recursive)
            return History(parse_revision(content, Path(path)) for path, content in files.items())
        except AntarestError as error:
            raise ReferenceUnusable(name, error.message) from error


def _head(history: History, name: str) -> str:
    try:
        return history.head
    except MultipleHeads as error:
        raise ReferenceUnusable(name, error.message) from error


def _commits(repository: Repository, reference: str) -> Iterator[tuple[str, str]]:
    """Yield the commits that a reference can mean, each with its kind."""
    for kind, ref in (
        ("tag", f"refs/tags/{reference}"),
        ("branch", f"refs/heads/{reference}"),
        ("remote branch", f"refs/remotes/{reference}"),
    ):
        if commit := repository.commit(ref):
            yield kind, commit
    if _COMMIT.fullmatch(reference) and (commit := repository.commit(reference)):
        yield "commit", commit
    with suppress(ValueError):
        day = date.fromisoformat(reference)
        if commit := repository.ask("rev-list", "-1", "--first-parent", f"--before={day} 23:59:59", "HEAD"):
            yield "date", commit
