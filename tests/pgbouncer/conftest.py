"""A PgBouncer for each test, and people who work through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import URL

from tests.support import ConfigFile
from tests.support_bouncer import Bouncer, Mode, bouncer
from tests.support_roles import Roles, two_roles
from tests.user import User

Start = Callable[..., Bouncer]


@pytest.fixture(params=["transaction", "session"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Transaction mode, which is hard, and session mode, which is nearly none."""
    mode: Mode = request.param
    return mode


@pytest.fixture
def start(postgres_database: URL) -> Iterator[Start]:
    """Start a PgBouncer in front of an empty database: `start(mode="session", default_pool_size=2)`."""
    with ExitStack() as stack:
        yield lambda *roles, **settings: stack.enter_context(bouncer(postgres_database, *roles, **settings))


@pytest.fixture
def user(start: Start, mode: Mode, config_file: ConfigFile) -> User:
    """Somebody who works through a PgBouncer, in each mode in turn."""
    url = start(mode=mode).url
    return User(url, config_file(url))


@pytest.fixture
def roles(postgres_database: URL) -> Iterator[Roles]:
    with two_roles(postgres_database) as roles:
        yield roles
