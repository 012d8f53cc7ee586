"""A PgBouncer for each test, and users who connect through it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.checks.refusals import Refusal, refusal
from tests.support.programs.runs import Run, Runner
from tests.support.programs.user import User
from tests.support.projects.checkouts import ROOT, ConfigFile, Result
from tests.support.projects.histories import Database, Script, write_project
from tests.support.servers.bouncer import Bouncer, Mode, bouncer
from tests.support.servers.roles import Roles, two_roles

Start = Callable[..., Bouncer]
Through = Callable[..., Runner]


def refused(run: Run, code: str, exit_code: int) -> Refusal:
    """Return the error of a run, without the log of Alembic before it."""
    ended = run.end()
    return refusal(Result(ended.code, ended.out, ended.err[max(ended.err.find("error "), 0) :]), code, exit_code)


@pytest.fixture(params=["transaction", "session"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Transaction mode, which makes most difficulties, and session mode, which makes nearly none."""
    mode: Mode = request.param
    return mode


@pytest.fixture
def start(postgres_database: URL) -> Iterator[Start]:
    """Start a PgBouncer in front of an empty database: `start(mode="session", default_pool_size=2)`."""
    with ExitStack() as stack:
        yield lambda *roles, **settings: stack.enter_context(bouncer(postgres_database, *roles, **settings))


@pytest.fixture
def user(start: Start, mode: Mode, config_file: ConfigFile) -> User:
    """A user who connects through a PgBouncer, in each mode in turn."""
    url = start(mode=mode).url
    return User(url, config_file(url))


@pytest.fixture
def roles(postgres_database: URL) -> Iterator[Roles]:
    with two_roles(postgres_database) as roles:
        yield roles


@pytest.fixture
def through(tmp_path: Path) -> Iterator[Through]:
    """Start commands through a PgBouncer: `through(bouncer, *scripts, **settings of the section db)`."""
    with ExitStack() as stack:

        def build(behind: Bouncer, *scripts: Script, **settings: object) -> Runner:
            project = write_project(tmp_path / "project", *scripts)
            shutil.copy(ROOT / "tasks.py", project.root)
            return stack.enter_context(Runner(Database(behind.url, project), tmp_path, settings).ending())

        yield build
