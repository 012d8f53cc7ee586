"""A simulated year of development, with parallel branches and releases: `rollback.sh` and the snapshot stay right.

What a person would do is done: branches are begun and merged, two of them add revisions at the same time, and what then
has two heads is put in order with `db.rebase`; now and then main is released, and later deployed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.branches import snapshots
from antarest.migration.branches.deployed import changed_since, record
from antarest.migration.branches.own_revisions import plan_rebase
from antarest.migration.errors.revision import BASE
from antarest.migration.project import rollback_script
from antarest.migration.project.project import Project
from tests.support.projects.branches import Clone, table
from tests.support.projects.snapshots import Snapshotted

WEEKS = 52
GENERATED = {"rollback.sh", "alembic/snapshot/sqlite.sql"}


@dataclass
class Year:
    """Develops, and notes what ought to be true.

    Attributes:
        clone: where.
        dice: decides what is done.
        deployed: what production runs; empty as long as it runs nothing.
        tags: the head of each release.
        number: how many revisions there were.
    """

    clone: Clone
    dice: random.Random
    deployed: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def project(self) -> Project:
        """The project as it is now."""
        return self.clone.project

    def add(self) -> None:
        """Add a revision as `db.revision` does: with `rollback.sh`."""
        self.number += 1
        self.clone.write(table(f"t{self.number}"))
        self.write_generated()
        self.clone.commit(f"Add t{self.number}")

    def write_generated(self) -> None:
        """Write what is generated from the revisions, as the commands do."""
        rollback_script.sync(self.project)
        for engine in snapshots.kept(self.project):
            snapshots.write(self.project, engine)

    def merge(self, branch: str) -> None:
        """Merge main into a branch, put its revisions on top where there are two heads, then the branch into main."""
        clone = self.clone
        clone.switch(branch)
        done = clone.try_git("merge", "--quiet", "--no-edit", "main")
        if done:
            conflicts = clone.git("diff", "--name-only", "--diff-filter=U").split()
            assert set(conflicts) <= GENERATED, "nothing but what is generated may conflict"
        repository = self.project.repository
        assert repository
        if len(self.project.history.heads) > 1:
            assert done, "two heads came together, and git did not stop"
            plan_rebase(self.project, repository, "main").write()
        if done:
            self.write_generated()
            clone.commit(f"Merge main into {branch}")
        clone.switch("main")
        clone.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        clone.git("branch", "--quiet", "--delete", branch)

    def release(self, week: int) -> None:
        """Tag what is on main, and sometimes deploy a release."""
        self.clone.git("tag", f"v{week}")
        self.tags[f"v{week}"] = self.project.history.head
        if self.dice.random() < 0.7:
            tag = self.dice.choice(list(self.tags))
            self.deployed = record(self.project, tag)[0]
            rollback_script.sync(self.project)
            self.clone.commit(f"Deploy {tag}")

    def assert_right(self, commit: str) -> None:
        """By the two rules, told by the files of that commit alone."""
        clone = self.clone
        clone.git("checkout", "--quiet", commit)
        project = self.project
        found = rollback_script.parse(clone.folder / "rollback.sh")
        head = project.history.head
        assert found[1] == head
        if project.deployed:
            assert found[0] == project.deployed
            assert changed_since(project) == []
        else:
            assert found[0] == (project.history[head].down[0] if project.history[head].down else BASE)
        assert rollback_script.is_in_sync(project)
        assert list(snapshots.stale(project)) == []

    def assert_loads(self, folder: Path) -> None:
        """A new database gets from the snapshot of the head what its revisions make."""
        project = self.project
        loaded = Snapshotted(URL.create("sqlite", database=str(folder / "loaded.db")), project)
        assert f"{len(project.history)} revisions from " in loaded.upgraded()
        assert loaded.differs(loaded.replayed(URL.create("sqlite", database=str(folder / "replayed.db")))) == []


@pytest.mark.parametrize("seed", range(2))
def test_what_is_generated_is_right_at_every_commit_of_a_year(small: Clone, seed: int, tmp_path: Path) -> None:
    ini = small.folder / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[antarest]\nrollback_script = rollback.sh\n")
    year = Year(small, random.Random(seed))  # noqa: S311 - the same years each time, and no secret
    if seed == 0:  # The other year stays without one.
        snapshots.write(small.project, "sqlite")
    year.write_generated()
    began = small.commit("Add rollback.sh and the snapshot")
    open_branches: list[str] = []
    for week in range(WEEKS):
        what = year.dice.random()
        if what < 0.35 and len(open_branches) < 4:
            small.switch("main")
            small.branch(f"b{week}")
            open_branches.append(f"b{week}")
            year.add()
        elif what < 0.6 and open_branches:
            small.switch(year.dice.choice(open_branches))
            year.add()
        elif what < 0.85 and open_branches:
            year.merge(open_branches.pop(year.dice.randrange(len(open_branches))))
        else:
            small.switch("main")
            year.release(week)

    small.switch("main")
    assert year.deployed
    assert len(year.project.history) > 10, "it was a busy year"
    for commit in small.git("rev-list", f"{began}..main").split():
        year.assert_right(commit)
    small.switch("main")
    assert len(snapshots.kept(year.project)) == (seed == 0)
    if seed == 0:
        year.assert_loads(tmp_path)


def test_it_would_be_found_if_it_were_not(small: Clone) -> None:
    ini = small.folder / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[antarest]\nrollback_script = rollback.sh\n")
    year = Year(small, random.Random(0))  # noqa: S311
    snapshots.write(small.project, "sqlite")
    small.write(table("forgotten"))
    rollback_script.sync(small.project)
    commit = small.commit("Forget the snapshot")

    with pytest.raises(AssertionError):
        year.assert_right(commit)
