"""The revisions as git has them elsewhere: what a branch adds, and what was applied before a file was changed."""

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


def added(target: Target) -> Collection[str]:
    """What this branch adds to main: the revisions whose files main does not have.

    Raises:
        UsageError: there is no git, or no branch main.
    """
    repository = Repository.of(target.project.root)
    base = repository.main if repository else ""
    if repository is None or not base:
        hint = Hint("Name the revisions", "inv db.verify --revisions=A:B")
        raise UsageError("--new needs git, and a branch main or master, here or at origin", hints=[hint])
    there = repository.objects(base, target.project.versions, recursive=target.project.is_recursive)
    history = target.history
    return [id_ for id_ in history.order if repository.path(history[id_].path) not in there]


@contextmanager
def applied_at(target: Target, ref: str | None) -> Iterator[list[Target]]:
    """The project with the revision files of a commit, in a folder that is gone with the block.

    Args:
        target: the project as it is checked out.
        ref: the commit; without it where this branch parted from main, and what is deployed.

    Yields:
        One for each such commit, without those where no file differs: there is nothing to prove.

    Raises:
        UsageError: git has no such commit.
    """
    repository = Repository.of(target.project.root)
    deployed = target.project.deployed_from
    wanted = [ref] if ref else [deployed] if deployed else []
    commits = {repository.commit(each) for each in wanted} if repository else {""}
    if ref and "" in commits:
        raise UsageError(f"git has no commit {ref!r} here", hints=[Hint("Look for it", "git log --oneline --all")])
    if repository and not ref:
        commits.add(repository.main)
    with owned_folder("antarest-since-") as folder:
        found = []
        for commit in sorted(commits - {""}):
            assert repository  # noqa: S101 - who has a commit has one
            found.append(_with_files(target, repository, commit, folder / commit))
        if ref and None in found:
            raise UsageError(f"{ref} has none of the folders of the revisions", hints=[Hint("Name another commit")])
        yield [old for old in found if old and _differs(old, target)]


def _with_files(target: Target, repository: Repository, commit: str, folder: Path) -> Target | None:
    folders = []
    for number, versions in enumerate(target.project.versions):
        files = repository.files(commit, [versions], recursive=target.project.is_recursive)
        place = folder / str(number)
        place.mkdir(parents=True)
        write_files(place, [(Path(name).name, content) for name, content in files.items()])
        folders += [place] if files else []
    if not folders:
        return None
    return replace(target, project=replace(target.project, versions=tuple(folders), is_moved=True))


def _differs(old: Target, target: Target) -> bool:
    try:
        before = {id_: old.history[id_].path.read_bytes() for id_ in old.history.order}
        now = target.history
    except (AntarestError, SyntaxError):
        return False  # Files that make no history: nobody can have applied those of then; those of now are a finding.
    return any(id_ not in now or now[id_].path.read_bytes() != text for id_, text in before.items())
