"""The revisions that this branch alone has, and may still change: written anew, or put on top of what others added."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from antarest.migration.checkout.git import Repository
from antarest.migration.checkout.refs import history_at
from antarest.migration.checkout.store import Store
from antarest.migration.errors import AmendRefused, EditedRevision, RebaseRefused
from antarest.migration.history import BASE, Revision
from antarest.migration.project import Project

_MAIN = "main"


@dataclass(frozen=True)
class Rebase:
    """What puts the revisions of this branch on top of another head.

    Attributes:
        onto: the head that they go on top of.
        moved: those that follow something else now, with what they followed.
        contents: the files that change, and what they become.
    """

    onto: str
    moved: Mapping[str, tuple[str, ...]]
    contents: Mapping[Path, bytes]

    def write(self) -> None:
        """Change the files."""
        for path, content in self.contents.items():
            path.write_bytes(content)


def amendable(project: Project, *, discard_edits: bool) -> Revision:
    """The newest revision, if it may be written anew.

    Args:
        project: where it is.
        discard_edits: also where somebody has written in its file.

    Raises:
        MultipleHeads: there is not one newest revision.
        AmendRefused: there is none, it is a merge, or others have it: on main, in a tag.
        EditedRevision: its file is not what was generated.
    """
    history, repository = project.history, project.repository
    if history.head == BASE:
        raise AmendRefused("there is no revision yet")
    revision = history[history.head]
    if len(revision.down) > 1:
        raise AmendRefused(f"revision {revision.id} joins two heads")
    if project.is_on_main(revision.path.name):
        raise AmendRefused(f"main has revision {revision.id}, so others may have applied it")
    if repository and repository.ask("log", "--tags", "-1", "--format=%H", "--", str(revision.path)):
        raise AmendRefused(f"a tag has revision {revision.id}, so it may be deployed")
    if revision.id in history.applied([project.deployed]):
        raise AmendRefused(f"revision {revision.id} is deployed")
    content = revision.path.read_bytes()
    if not discard_edits and not (repository and Store(repository).is_generated(revision.id, content)):
        raise EditedRevision(revision.id, revision.path)
    return revision


def plan_rebase(project: Project, repository: Repository, onto: str = "") -> Rebase:
    """Find what puts the revisions of this branch on top of the head of another one.

    Args:
        project: the project, with the revisions of both.
        repository: where it is worked on.
        onto: the other branch; without it main, or on main what is being merged or pulled.

    Raises:
        RebaseRefused: that branch is not known, or is not merged here; or one of the revisions cannot be moved.
    """
    name, commit = _base(repository, onto)
    theirs = history_at(project, repository, commit, name)
    if len(theirs.heads) != 1:
        raise RebaseRefused(f"{name} has {len(theirs.heads)} heads itself")
    history = project.history
    if missing := [id_ for id_ in theirs.order if id_ not in history]:
        raise RebaseRefused(f"{name} has revision {missing[0]}, and this checkout does not", merge=name)
    own = [id_ for id_ in history.order if id_ not in theirs]
    deployed = history.applied([project.deployed])
    moved, contents = {}, {}
    for id_ in own:
        revision = history[id_]
        if all(down in own for down in revision.down) or revision.down == (theirs.head,):
            continue
        if id_ in deployed:
            raise RebaseRefused(f"revision {id_} is deployed")
        if len(revision.down) > 1:
            raise RebaseRefused(f"revision {id_} joins two heads, and cannot be moved")
        moved[id_] = revision.down
        contents[revision.path] = follow(revision, theirs.head)
    return Rebase(theirs.head, moved, contents)


def follow(revision: Revision, down: str) -> bytes:
    """The file of a revision, changed so that it follows another one: in the code and in the docstring."""
    text = revision.path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    value = _value_of(ast.parse(text), "down_revision")
    first, last = value.lineno - 1, (value.end_lineno or value.lineno) - 1
    # Columns are counted in bytes.
    head, tail = lines[first].encode()[: value.col_offset], lines[last].encode()[value.end_col_offset :]
    lines[first : last + 1] = [f'{head.decode()}"{down}"{tail.decode()}']
    return re.sub(r"^Revises: .*$", f"Revises: {down}", "".join(lines), count=1, flags=re.MULTILINE).encode()


def _value_of(tree: ast.Module, name: str) -> ast.expr:
    """What a name is set to at the top of a file."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value: ast.expr = node.value  # type: ignore[attr-defined]  # an assignment, with or without a type
            return value
    raise LookupError(name)


def rewritten(project: Project, contents: Mapping[Path, bytes], folder: Path, *, without: str = "") -> Project:
    """The project with other contents of some files, or without one revision, in a folder."""
    history = project.history
    for number, id_ in enumerate(id_ for id_ in history.order if id_ != without):
        path = history[id_].path
        place = folder / path.name
        place = place if not place.exists() else folder / f"{number}_{path.name}"
        place.write_bytes(contents.get(path) or path.read_bytes())
    return replace(project, versions=(folder,), is_moved=True)


def _base(repository: Repository, onto: str) -> tuple[str, str]:
    """The branch to go on top of, and its commit."""
    names = [onto] if onto else [f"origin/{_MAIN}", _MAIN, "origin/master", "master"]
    if not onto and repository.branch in (_MAIN, "master"):
        names = ["MERGE_HEAD", f"{repository.branch}@{{upstream}}"]
    found = [(name, commit) for name in names if (commit := repository.commit(name))]
    if not found:
        raise RebaseRefused(f"git has no {' or '.join(names)} here")
    first, *others = found
    for each in others:  # A local main may be newer than what was fetched of it, or older.
        if repository.ask("merge-base", first[1], each[1]) == first[1]:
            first = each
    return first
