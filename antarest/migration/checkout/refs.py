"""What a reference means for a database: the head that its revisions have, at a tag, a branch, a commit or a date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from antarest.core.errors import AntarestError
from antarest.migration.errors import (
    AmbiguousReference,
    MultipleHeads,
    ReferenceUnusable,
    RevisionNotFound,
)
from antarest.migration.history import BASE, History
from antarest.migration.revision_files import parse_revision

if TYPE_CHECKING:
    from antarest.migration.checkout.git import Repository
    from antarest.migration.project import Project

_COMMIT = re.compile(r"[0-9a-f]{4,64}|HEAD.*|.*[~^@].*")


def resolve(project: Project, repository: Repository, reference: str) -> str:
    """The revision that a reference stands for: a revision first, then a tag, a branch, a commit, a date.

    Args:
        project: the project as it is checked out.
        repository: where it is worked on.
        reference: the reference.

    Raises:
        RevisionNotFound: it stands for nothing.
        AmbiguousRevision: it is the beginning of two ids.
        AmbiguousReference: it stands for two things with different answers.
        ReferenceUnusable: the revisions of that state are none that this checkout could go to.
    """
    found: dict[str, str] = {}
    missing: RevisionNotFound | None = None
    try:
        found["revision"] = project.history.resolve(reference)
    except RevisionNotFound as error:
        missing = error
    for kind, commit in _commits(repository, reference):
        found[kind] = head_at(project, repository, commit, f"{kind} {reference}")
    answers = set(found.values())
    if len(answers) > 1:
        raise AmbiguousReference(reference, found)
    if missing and not answers:
        raise missing
    return answers.pop()


def head_at(project: Project, repository: Repository, commit: str, name: str) -> str:
    """The head of the revisions that a commit has.

    Args:
        project: the project as it is checked out.
        repository: where it is worked on.
        commit: the commit.
        name: what to call it.

    Raises:
        ReferenceUnusable: there are none, they have no one head, or one that this checkout does not have.
    """
    head = _head(history_at(project, repository, commit, name), name)
    if head == BASE and len(project.history):  # Whoever means base can say so; more likely they lie elsewhere there.
        raise ReferenceUnusable(name, f"it has no revisions in {project.folder}")
    if head != BASE and head not in project.history:
        raise ReferenceUnusable(name, f"its head is {head}, which this checkout does not have")
    return head


def history_at(project: Project, repository: Repository, commit: str, name: str) -> History:
    """The revisions that a commit has.

    Raises:
        ReferenceUnusable: they cannot be read.
    """
    try:
        files = repository.files(commit, project.versions)
        return History(parse_revision(content, Path(path)) for path, content in files.items())
    except AntarestError as error:
        raise ReferenceUnusable(name, error.message) from error


def _head(history: History, name: str) -> str:
    try:
        return history.head
    except MultipleHeads as error:
        raise ReferenceUnusable(name, error.message) from error


def _commits(repository: Repository, reference: str) -> Iterator[tuple[str, str]]:
    """The commits that a reference may mean, and as what."""
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
