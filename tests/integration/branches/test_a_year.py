"""A simulated year of development with parallel branches and releases: `rollback.sh` and the snapshot stay right.

The test works as people do: it begins and merges branches, and adds revisions on two branches at the same time. If
there are two heads after a merge, it runs `db.rebase`. From time to time it releases main, and later deploys the
release.
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
    """Develops a project, and keeps what the generated files must contain.

    Attributes:
        clone: the repository.
        dice: makes the random choices.
        deployed: the revision in production; empty before the first deployment.
        tags: the head of each release.
        number: the number of revisions so far.
    """

    clone: Clone
    dice: random.Random
    deployed: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def project(self) -> Project:
        """The project, with its present files."""
        return self.clone.project

    def add(self) -> None:
        """Add a revision and update `rollback.sh`, as `db.revision` does."""
        self.number += 1
        self.clone.write(table(f"t{self.number}"))
        self.write_generated()
        self.clone.commit(f"Add t{self.number}")

    def write_generated(self) -> None:
        """Write the files that are generated from the revisions, as the commands do."""
        rollback_script.sync(self.project)
        for engine in snapshots.kept(self.project):
            snapshots.write(self.project, engine)

    def merge(self, branch: str) -> None:
        """Merge main into a branch, and the branch into main. If there are two heads, rebase before the second one."""
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
        """Tag main, and sometimes deploy a release."""
        self.clone.git("tag", f"v{week}")
        self.tags[f"v{week}"] = self.project.history.head
        if self.dice.random() < 0.7:
            tag = self.dice.choice(list(self.tags))
            self.deployed = record(self.project, tag)[0]
            rollback_script.sync(self.project)
            self.clone.commit(f"Deploy {tag}")

    def assert_right(self, commit: str) -> None:
        """Check the target of `rollback.sh` by its two rules, with only the files of this commit."""
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
        """Check that the snapshot of the head makes the same database as the revisions."""
        project = self.project
        loaded = Snapshotted(URL.create("sqlite", database=str(folder / "loaded.db")), project)
        assert f"{len(project.history)} revisions from " in loaded.upgraded()
        assert loaded.differs(loaded.replayed(URL.create("sqlite", database=str(folder / "replayed.db")))) == []


@pytest.mark.parametrize("seed", range(2))
def test_what_is_generated_is_right_at_every_commit_of_a_year(small: Clone, seed: int, tmp_path: Path) -> None:
    ini = small.folder / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[antarest]\nrollback_script = rollback.sh\n")
    year = Year(small, random.Random(seed))  # noqa: S311 - the same years each time, and no secret
    if seed == 0:  # The other year has no snapshot.
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
