"""The values that all workers of a run of pytest share: the server, the project, and the folders."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from ..errors.settings.urls import normalise_url
from ..scratch.databases import PostgresServer

if TYPE_CHECKING:
    from ..verify.target import Target

SERVER = pytest.StashKey[PostgresServer | str]()
"""The server of the whole run, or the reason why there is none."""

PLUGIN = f"{__package__}.plugin"
IN_WORKER = "antarest_postgres"  # the server, in the input of a worker of pytest-xdist
RUN_IN_WORKER = "antarest_run"  # the id of the run, in the same input
KEPT = "database"  # the property of a test with the URL of a database that was kept
_RUN = pytest.StashKey[str]()
_PROJECT = "MIGRATION_PROJECT"  # the name of the alembic.ini in a test file


def shared_server(config: pytest.Config) -> PostgresServer | str | None:
    """Return the server of this run, or the reason why there is no server.

    The result is None without the plugin, or if no test needs a server.
    """
    given = _worker_input(config).get(IN_WORKER)
    if isinstance(given, str):
        return given
    if given:
        url, kind, version = given
        return PostgresServer(normalise_url(url), kind, version)
    return config.stash.get(SERVER, None)


def has_plugin(config: pytest.Config) -> bool:
    """Return whether the pytest plugin is active. The plugin prints the databases of failed tests."""
    return config.pluginmanager.has_plugin(PLUGIN)


def outlives_the_run(config: pytest.Config, server: PostgresServer) -> bool:
    """Return whether a database on the server still exists after the run."""
    return has_plugin(config) and (server.kind == "url" or bool(config.getoption("keep_db")))


def ini_for(config: pytest.Config, module: ModuleType | None) -> Path:
    """Return the `alembic.ini` that a test file names, or the one in pytest's root folder."""
    return Path(config.rootpath, getattr(module, _PROJECT, "alembic.ini"))


@cache
def target_at(ini: Path) -> Target:
    """Return the project of an `alembic.ini`."""
    # Imported here: most tests do not need Alembic.
    from ..verify.env_reader import target_of

    target = target_of(str(ini), None, None, None)
    target.import_paths()
    return target


def run_id(config: pytest.Config) -> str:
    """Return the id of this run, which all of its workers share."""
    given = _worker_input(config)
    return str(
        given.get(RUN_IN_WORKER) or given.get("testrunuid") or config.stash.setdefault(_RUN, secrets.token_hex(8))
    )


def folder_of_run(config: pytest.Config, temporary: pytest.TempPathFactory) -> Path:
    """Return a folder that the workers of this run share, and that no other run uses."""
    base = temporary.getbasetemp()
    return base.parent if _worker_input(config) else base


def _worker_input(config: pytest.Config) -> Mapping[str, Any]:
    """Return the data that pytest-xdist has passed to this worker; empty if this process is not a worker."""
    return getattr(config, "workerinput", {})


def folder_of_runs(config: pytest.Config, temporary: pytest.TempPathFactory) -> Path:
    """Return a folder in pytest's cache, which later runs use too; `folder_of_run` if the cache is read-only."""
    cache_: pytest.Cache | None = getattr(config, "cache", None)
    try:
        folder = cache_.mkdir("antarest-templates") if cache_ else None
    except OSError:
        folder = None
    return folder if folder and os.access(folder, os.W_OK) else folder_of_run(config, temporary)
