"""Changes the revisions that only this branch has: writes them again, or puts them on top of another head."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors.facts.branches import AmendRefused, EditedRevision, RebaseRefused
from ..errors.revision import BASE, Revision
from ..errors.settings.whole_file import write_whole
from ..errors.syntax import parse
from ..project.git import MAINS, Repository
from ..project.project import Project
from ..project.revision_files import write_files
from ..project.revision_store import RevisionStore
from .applied import is_on_main


@dataclass(frozen=True)
class Rebase:
    """The changes that put the revisions of this branch on top of another head.

    Attributes:
        onto: the other head.
        moved: a mapping from the id of each moved revision to its old predecessors and its new predecessor.
        contents: a mapping from the path of each changed file to its new content.
    """

    onto: str
    moved: Mapping[str, tuple[tuple[str, ...], str]]
    contents: Mapping[Path, bytes]

    def write(self) -> None:
        """Write the new contents to the files."""
        for path, content in self.contents.items():
            write_whole(path, content)


def amendable(project: Project, *, discard_edits: bool) -> Revision:
    """Return the newest revision, if it is allowed to write this revision again.

    Args:
        project: the project of the revision.
        discard_edits: whether to accept a file that was edited.

    Raises:
        MultipleHeads: there are several newest revisions.
        AmendRefused: there is no revision; or the newest revision is a merge, is deployed, or is on main or in a tag.
        EditedRevision: the file of the revision was edited.
    """
    history, repository = project.history, project.repository
    if history.head == BASE:
        raise AmendRefused("there is no revision yet")
    revision = history[history.head]
    if len(revision.down) > 1:
        raise AmendRefused(f"revision {revision.id} joins two heads")
    if is_on_main(project, revision.path.name):
        raise AmendRefused(f"main has revision {revision.id}, so others may have applied it")
    if repository and repository.ask("log", "--tags", "-1", "--format=%H", "--", str(revision.path)):
        raise AmendRefused(f"a tag has revision {revision.id}, so it may be deployed")
    if revision.id in history.applied([project.deployed]):
        raise AmendRefused(f"revision {revision.id} is deployed")
    content = revision.path.read_bytes()
    if not discard_edits and not (repository and RevisionStore(repository).is_generated(revision.id, content)):
        raise EditedRevision(revision.id, revision.path)
    return revision


def plan_rebase(project: Project, repository: Repository, onto: str = "") -> Rebase:
    """Plan to put the revisions of this branch on top of the head of another branch.

    Args:
        project: the project, with the revisions of both branches.
        repository: the repository of the project.
        onto: the other branch. The default is the branch of an unfinished merge or rebase, or else main.

    Raises:
        RebaseRefused: the other branch is not known or not merged here, or a revision cannot be moved.
    """
    name, commit = _base(repository, onto)
    theirs, history = project.references(repository).history_at(commit, name), project.history
    if len(theirs.heads) != 1:
        raise RebaseRefused(f"{name} has {len(theirs.heads)} heads itself")
    if missing := [id_ for id_ in theirs.order if id_ not in history]:
        raise RebaseRefused(f"{name} has revision {missing[0]}, and this checkout does not", merge=name)
    own = [id_ for id_ in history.order if id_ not in theirs]
    deployed, published = history.applied([project.deployed]), _published(project, repository)
    tip, moved, contents = theirs.head, {}, {}
    for chain in _chains([history[id_] for id_ in own]):
        revision = chain[0]
        if revision.down != (tip,):
            if reason := _immovable(revision, deployed, published):
                raise RebaseRefused(f"revision {revision.id} {reason}")
            moved[revision.id], contents[revision.path] = (revision.down, tip), follow(revision, tip)
        tip = chain[-1].id  # Several chains are put one after the other.
    return Rebase(theirs.head, moved, contents)


def _chains(own: Sequence[Revision]) -> list[list[Revision]]:
    """Group revisions into chains. In a chain, each revision follows the previous revision.

    Raises:
        RebaseRefused: several revisions follow one revision, or a revision joins two chains.
    """
    chains: list[list[Revision]] = []
    for revision in own:
        followed = [chain for chain in chains if any(each.id in revision.down for each in chain)]
        if not followed:
            chains.append([revision])
            continue
        if len(followed) > 1 or len(revision.down) > 1 or revision.down != (followed[0][-1].id,):
            raise RebaseRefused(f"the revisions of this branch are not in a line: {revision.id} splits it or joins two")
        followed[0].append(revision)
    return chains


def _immovable(revision: Revision, deployed: Collection[str], published: Collection[str]) -> str:
    """Return the reason why the predecessor of a revision cannot be changed; empty if there is no reason."""
    if revision.id in deployed:
        return "is deployed"
    if revision.id in published:
        return "is on main"
    return "joins two heads" if len(revision.down) > 1 else ""


def _published(project: Project, repository: Repository) -> set[str]:
    """Return the ids of the revisions that others may have applied: those on the remote main, and on the local main.

    If the checkout is on main itself, only the remote main counts.
    """
    names = [name for name in MAINS if name.startswith("origin/") or repository.branch not in MAINS]
    commits = [(name, commit) for name in names if (commit := repository.commit(name))]
    return {id_ for name, commit in commits for id_ in project.references(repository).history_at(commit, name).order}


def follow(revision: Revision, down: str) -> bytes:
    """Return the content of a revision file with another predecessor, both in the code and in the docstring."""
    text = revision.path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    value = _value_of(parse(text), "down_revision")
    first, last = value.lineno - 1, (value.end_lineno or value.lineno) - 1
    # Columns are counted in bytes.
    head, tail = lines[first].encode()[: value.col_offset], lines[last].encode()[value.end_col_offset :]
    lines[first : last + 1] = [f'{head.decode()}"{down}"{tail.decode()}']
    return re.sub(r"^Revises: .*$", f"Revises: {down}", "".join(lines), count=1, flags=re.MULTILINE).encode()


def _value_of(tree: ast.Module, name: str) -> ast.expr:
    """Return the value that is assigned to a name at the top level of a file."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value: ast.expr = node.value  # type: ignore[attr-defined]  # an assignment, with or without a type
            return value
    raise LookupError(name)


def rewritten(project: Project, contents: Mapping[Path, bytes], folder: Path, *, without: str = "") -> Project:
    """Return the project with copies of its revision files. Use the new `contents`, and leave out one revision."""
    history = project.history
    paths = [history[id_].path for id_ in history.order if id_ != without]
    write_files(folder, [(path.name, contents.get(path) or path.read_bytes()) for path in paths])
    return replace(project, versions=(folder,), is_moved=True)


def _base(repository: Repository, onto: str) -> tuple[str, str]:
    """Return the commit on top of which the revisions of the branch are put, and its name for messages."""
    if onto:
        candidates = [(onto, repository.commit(onto))]
    elif under_way := repository.rebased_onto:  # In a `git rebase`.
        candidates = [("the branch that is rebased onto", under_way)]
    elif repository.branch in MAINS:
        candidates = _bases_of_main(repository)
    elif merged := repository.commit("MERGE_HEAD"):
        candidates = [("the branch that is merged", merged)]
    else:
        candidates = [_merged_main(repository)]
    for name, commit in candidates:
        if commit:
            return name, commit
    raise RebaseRefused(f"git has no {' or '.join(name for name, _ in candidates)} here")


def _bases_of_main(repository: Repository) -> list[tuple[str, str]]:
    """Return a list with the commit on top of which revisions of main are put, and a name for this commit.

    If commits were pulled, this is the newest pulled commit. Otherwise this is the commit of main before the merge.
    """
    upstream, merged = repository.commit("@{upstream}"), repository.commit("MERGE_HEAD")
    is_pulled = upstream and (not merged or repository.ask("merge-base", merged, upstream) == merged)
    if is_pulled:
        return [("what was pulled", merged or upstream)]
    return [("main", (not merged and repository.commit("HEAD^1")) or repository.commit("HEAD"))]


def _merged_main(repository: Repository) -> tuple[str, str]:
    """Return the commit on top of which the revisions of a branch are put, with the name of its branch.

    This is the newest commit of main that was merged into the branch. If no commit was merged, it is the newest commit
    of main.
    """
    names = [name for name in MAINS if repository.commit(name)]
    if not names:
        return "main", ""
    bases = [(name, repository.ask("merge-base", "HEAD", name)) for name in names]
    name, base = max(bases, key=lambda each: int(repository.ask("rev-list", "--count", each[1]) or 0))
    newest = repository.commit(name)
    # Without a merge, the newest commit of main counts. If its revisions are missing here, the caller refuses.
    is_merged = base == newest or repository.ask("rev-list", "--merges", "-1", f"{base}..HEAD")
    return name, base if is_merged else newest
