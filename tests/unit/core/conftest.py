"""Fixtures for the tests of the core: a user without rights, and a folder that such a user can read."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from antarest.migration.errors.settings.urls import normalise_url
from tests.support.projects.checkouts import ROOT
from tests.support.projects.config import Write
from tests.support.servers.connections import SECRET

_NOBODY = 65534

AsNobody = Callable[..., str]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can enter. The folder of `tmp_path` is inside a folder that only its owner can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def as_nobody() -> AsNobody:
    """Run a program text with arguments in a child process that has lost the rights of root; return its output."""

    def run(program: str, *arguments: object) -> str:
        # The imports come first, because only root may be able to read the code.
        imports, _, rest = program.partition("\n\n")
        drop = "import os\nif os.geteuid() == 0:\n    os.setgroups([])\n"
        drop += f"    os.setgid({_NOBODY})\n    os.setuid({_NOBODY})\n"
        done = subprocess.run(
            [sys.executable, "-c", f"{imports}\n{drop}\n{rest}", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration file, and return its path."""

    def write(text: str) -> Path:
        file = tmp_path / "conf" / "application.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    return write


@pytest.fixture
def admin(postgres_database: URL) -> Callable[[str], None]:
    """Run a statement as the superuser of a PostgreSQL server."""

    def execute(statement: str) -> None:
        engine = create_engine(normalise_url(postgres_database), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(statement))

    return execute


@pytest.fixture
def role(postgres_database: URL, admin: Callable[[str], None]) -> Iterator[URL]:
    """The URL of a role without special rights, with a password."""
    url = normalise_url(postgres_database)
    name = f"role_{url.database}"
    admin(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    yield url.set(username=name, password=SECRET)
    admin(f"DROP OWNED BY {name}")
    admin(f"DROP ROLE {name}")
