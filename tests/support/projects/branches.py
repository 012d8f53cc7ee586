"""A git repository with an Alembic project and several branches, and a database that follows the checkout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import URL

from antarest.migration.branches.follower import Follower
from antarest.migration.branches.sync import SyncPlan
from antarest.migration.database.connection import moving
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.loss import Agreement
from antarest.migration.project.project import Project
from antarest.migration.schema.compare import differences
from antarest.migration.schema.inventory import Inventory
from antarest.migration.schema.reflection import reflect
from antarest.migration.scratch.databases import PostgresServer, scratch_database
from antarest.migration.scratch.runner import ScratchRunner
from tests.support.projects.checkouts import ROOT, Result, run
from tests.support.projects.histories import Database, Script, write_project, write_script

SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_TEMPLATE_DIR": "",
    **{f"GIT_{role}_{what}": "tests" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


_EXPECTED: dict[tuple[object, ...], Inventory] = {}
"""The schemas of the revisions of a checkout, by engine and files. Tests return to the same branches often."""


def table(name: str) -> Script:
    """Return a revision that creates a table, and declares that its downgrade loses it."""
    key, label = 'sa.Column("id", sa.Integer, primary_key=True)', 'sa.Column("label", sa.String(9))'
    return Script(
        f"{name}_{'0' * 8}",
        upgrade=f'op.create_table("{name}", {key}, {label})',
        downgrade=f'op.drop_table("{name}")',
        lossy={"downgrade": {name: "it makes it"}},
    )


def column(of: str, name: str) -> Script:
    """Return a revision that adds a column to a table."""
    return Script(
        f"{name}_{'1' * 8}",
        upgrade=f'op.add_column("{of}", sa.Column("{name}", sa.Integer))',
        downgrade=f'op.drop_column("{of}", "{name}")',
        lossy={"downgrade": {f"{of}.{name}": "it makes it"}},
    )


def applied_on_a_branch(clone: Clone, *scripts: Script) -> None:
    """Apply these revisions on a branch, then switch to main."""
    clone.branch("feature")
    clone.add(*(scripts or [table("reserve")]))
    clone.database.workflow.upgrade()
    clone.switch("main")


def forget_the_store(clone: Clone) -> None:
    """Delete the store, as in a clone from which nothing was applied."""
    shutil.rmtree(clone.folder / ".git" / "antarest")


@dataclass(frozen=True)
class Clone:
    """A working tree with its database.

    Attributes:
        folder: the working tree.
        url: the database.
        server: the server for other databases.
    """

    folder: Path
    url: URL
    server: PostgresServer

    @classmethod
    def create(cls, folder: Path, url: URL, server: PostgresServer) -> Clone:
        """Create a repository with one revision on main, which is applied."""
        write_project(folder, table("base"))
        (folder / ".gitignore").write_text("__pycache__/\n")
        made = cls(folder, url, server)
        made.git("init", "--quiet", "--initial-branch=main")
        made.commit("Begin")
        made.database.workflow.upgrade()
        return made

    @property
    def versions(self) -> Path:
        """The folder of the revisions."""
        return self.folder / "alembic" / "versions"

    @property
    def project(self) -> Project:
        """The project, read again. It has no models, because this process could import them only once."""
        return replace(Project.load(self.folder / "alembic.ini"), metadata_name="")

    @property
    def database(self) -> Database:
        """The database, with the present revisions."""
        return Database(self.url, self.project)

    @property
    def current(self) -> tuple[str, ...]:
        """The current revisions of the database."""
        return self.database.workflow.current()

    # ---- git

    def git(self, *arguments: str, fails: bool = False) -> str:
        """Run git, and return its output."""
        done = run("git", *arguments, cwd=self.folder, env=SETTINGS, traceback=True)
        assert (done.code != 0) == fails, done.err
        return done.out.strip()

    def try_git(self, *arguments: str) -> bool:
        """Run git, and return whether it failed, for example at a conflict."""
        return run("git", *arguments, cwd=self.folder, env=SETTINGS, traceback=True).code != 0

    def commit(self, message: str) -> str:
        """Commit all changes, and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        """Begin a branch here."""
        self.git("switch", "--quiet", "--create", name)

    def switch(self, ref: str) -> None:
        """Switch to a branch, without moving the database."""
        self.git("switch", "--quiet", *(["--detach"] if ref not in self._branches else []), ref)
        shutil.rmtree(self.versions / "__pycache__", ignore_errors=True)

    @property
    def _branches(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()

    def add(self, *scripts: Script) -> None:
        """Add revisions after the head, and commit them."""
        for script in scripts:
            self.write(script)
            self.commit(f"Add {script.id}")

    def write(self, script: Script) -> Path:
        """Write a revision after the head."""
        return write_script(self.versions, script, script.down or self.project.history.head)

    # ---- the database

    def sync(self, *, allow_changed: bool = False, loss: bool = True) -> Sequence[str]:
        """Make the database match the checkout, and return the revisions that were run."""
        with self.follower.syncing(allow_changed=allow_changed) as plan:
            return self._run(plan, loss=loss)

    def switch_both(self, branch: str, *, loss: bool = True) -> Sequence[str]:
        """Switch to a branch with the database, and return the revisions that were run."""
        with self.follower.switching(branch) as plan:
            return self._run(plan, loss=loss)

    @property
    def follower(self) -> Follower:
        """The object that makes the database follow the checkout."""
        return Follower(self.database.workflow)

    def _run(self, plan: SyncPlan, *, loss: bool) -> Sequence[str]:
        move = self.follower.run(plan, Agreement(everything=loss))
        return [f"{direction[:-5]} {revision.id.partition('_')[0]}" for revision, direction, _ in move.steps]

    def inv(self, command: str, *flags: str) -> Result:
        """Run a command of ours in the working tree."""
        url = self.url.render_as_string(hide_password=False)
        config = self.folder.with_name(f"{self.folder.name}.yaml")
        config.write_text(f"db:\n  url: {url}\n")
        (self.folder.parent / "tasks.py").touch()  # so that errors name the commands of Invoke
        return run(
            *("python", "-m", "antarest.migration", command, *flags),
            cwd=self.folder,
            env={**SETTINGS, "ANTAREST_CONF": str(config)},
        )

    def assert_matches(self) -> None:
        """Assert that the database is at head, with the schema of the revisions of this checkout."""
        project = self.project
        assert self.current == project.history.heads
        files = [project.history[id_].path.read_bytes() for id_ in project.history.order]
        what = (self.url.get_backend_name(), *files)
        if what not in _EXPECTED:
            with scratch_database(self.url.get_backend_name(), self.server) as url, moving(url) as fresh:  # type: ignore[arg-type]
                ScratchRunner.of(project).upgrade(fresh)
                _EXPECTED[what] = reflect(fresh)
        with self.database.connect() as connection:
            assert differences(reflect(connection), _EXPECTED[what]) == []

    def at(self, folder: Path) -> Clone:
        """Return another working tree with the same database."""
        return replace(self, folder=folder)


MODELS = """\
import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table("base", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("label", sa.String(9)))
"""
RESERVE = 'sa.Table("reserve", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("{}", sa.Integer))\n'
INI = """
[post_write_hooks]
hooks = antarest
antarest.type = antarest

[antarest]
metadata = models:metadata
rollback_script = rollback.sh
"""
MAKO = ROOT / "alembic" / "script.py.mako"


def with_models(clone: Clone) -> Clone:
    """Return a clone with models and a `rollback.sh`, on a branch."""
    ini = clone.folder / "alembic.ini"
    ini.write_text(
        ini.read_text().replace("path_separator = os", "path_separator = os\nrevision_environment = true") + INI
    )
    (clone.folder / "alembic" / "script.py.mako").write_text(MAKO.read_text())
    (clone.folder / "models.py").write_text(MODELS)
    assert clone.inv("rollback-script").code == EXIT_DONE
    clone.commit("Add models")
    clone.branch("feature")
    return clone


def change_models(clone: Clone, text: str) -> None:
    """Add to the models of the clone."""
    (clone.folder / "models.py").write_text(MODELS + text)


def well(done: Result) -> str:
    """Return the output of a command that must succeed."""
    assert (done.code, done.err) == (EXIT_DONE, "")
    return done.out
