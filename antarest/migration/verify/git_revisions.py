"""Finds in git the revisions that a branch adds, and earlier versions of revisions that other databases have run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..errors.base import AntarestError, Hint
from ..errors.facts.configuration import UsageError
from ..project.git import Repository
from ..project.revision_files import write_files
from ..scratch.leftovers import owned_folder
from .target import Target


def new_revisions(target: Target) -> Collection[str]:
    """Return the ids of the revisions that this branch adds.

    The files of these revisions are not in the newest commit that main and this branch have in common.

    Raises:
        UsageError: there is no git, or no branch main.
    """
    repository = Repository.of(target.project.root)
    base = repository.main if repository else ""
    if repository is None or not base:
        hint = Hint("Name the revisions", "inv db.verify --revisions=A:B")
        raise UsageError("--new needs git, and a branch main or master, here or at origin", hint)
    there = repository.objects(base, target.project.versions, recursive=target.project.is_recursive)
    history = target.history
    return [id_ for id_ in history.order if repository.path(history[id_].path) not in there]


@contextmanager
def earlier_targets(target: Target, ref: str | None) -> Iterator[list[Target]]:
    """Write the revision files of earlier commits to a folder, which is deleted at the end of the `with` block.

    Args:
        target: the project as it is checked out.
        ref: a commit; None for the deployed commit and the newest commit that main and the branch have in common.

    Yields:
        A list with the project at each commit. Commits with the same revision files as now are left out.

    Raises:
        UsageError: git has no such commit.
    """
    repository = Repository.of(target.project.root)
    deployed = target.project.deployed_from
    wanted = [ref] if ref else [deployed] if deployed else []
    commits = {repository.commit(each) for each in wanted} if repository else {""}
    if ref and "" in commits:
        raise UsageError(f"git has no commit {ref!r} here", Hint("Find it", "git log --oneline --all"))
    if repository and not ref:
        commits.add(repository.main)
    with owned_folder("antarest-since-") as folder:
        found = []
        for commit in sorted(commits - {""}):
            assert repository  # noqa: S101 - commits come from a repository
            found.append(_with_files(target, repository, commit, folder / commit))
        if ref and None in found:
            raise UsageError(f"{ref} has none of the folders of the revisions", Hint("Name another commit"))
        yield [old for old in found if old and _differs(old, target)]


def _with_files(target: Target, repository: Repository, commit: str, folder: Path) -> Target | None:
    folders = []
    for number, versions in enumerate(target.project.versions):
        files = repository.files(commit, [versions], recursive=target.project.is_recursive)
        copy = folder / str(number)
        copy.mkdir(parents=True)
        write_files(copy, [(Path(name).name, content) for name, content in files.items()])
        folders += [copy] if files else []
    if not folders:
        return None
    return replace(target, project=replace(target.project, versions=tuple(folders), is_moved=True))


def _differs(old: Target, target: Target) -> bool:
    try:
        before = {id_: old.history[id_].path.read_bytes() for id_ in old.history.order}
        now = target.history
    except (AntarestError, SyntaxError):
        # No database has run files that form no history. If the current files form none, another check finds this.
        return False
    return any(id_ not in now or now[id_].path.read_bytes() != text for id_, text in before.items())
