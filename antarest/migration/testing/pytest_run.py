"""What a run of pytest works on, and what its workers have in common."""

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
"""The server that all of a run has, or why there is none."""

PLUGIN = "antarest.migration.testing.plugin"
IN_WORKER = "antarest_postgres"  # where a worker of pytest-xdist is told of the server
RUN_IN_WORKER = "antarest_run"  # and where of the run
KEPT = "database"  # the property of a test that says where a database is that was kept
_RUN = pytest.StashKey[str]()
_PROJECT = "MIGRATION_PROJECT"  # in a test file, the alembic.ini that it is about


def shared_server(config: pytest.Config) -> PostgresServer | str | None:
    """The server of this run, or why there is none; None where the plugin was not named, or no test needed one."""
    told = _told(config).get(IN_WORKER)
    if isinstance(told, str):
        return told
    if told:
        url, kind, version = told
        return PostgresServer(normalise_url(url), kind, version)
    return config.stash.get(SERVER, None)


def is_said(config: pytest.Config) -> bool:
    """Whether somebody says at the end which databases were kept: the plugin, where it is named."""
    return config.pluginmanager.has_plugin(PLUGIN)


def outlives_the_run(config: pytest.Config, server: PostgresServer) -> bool:
    """Whether a database on it can still be looked at when the run is over."""
    return is_said(config) and (server.kind == "url" or bool(config.getoption("keep_db")))


def ini_for(config: pytest.Config, module: ModuleType | None) -> Path:
    """The `alembic.ini` that a test file is about: the one that it names, or that of pytest's root folder."""
    return Path(config.rootpath, getattr(module, _PROJECT, "alembic.ini"))


@cache
def target_at(ini: Path) -> Target:
    """The project of an `alembic.ini`."""
    # Imported here: most tests do without Alembic.
    from ..verify.env_reader import target_of

    target = target_of(str(ini), None, None, None)
    target.import_paths()
    return target


def run_id(config: pytest.Config) -> str:
    """A name for this run, the same in all of its workers."""
    told = _told(config)
    return str(told.get(RUN_IN_WORKER) or told.get("testrunuid") or config.stash.setdefault(_RUN, secrets.token_hex(8)))


def folder_of_run(config: pytest.Config, temporary: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have, and no other run."""
    base = temporary.getbasetemp()
    return base.parent if _told(config) else base


def _told(config: pytest.Config) -> Mapping[str, Any]:
    """What pytest-xdist tells a worker; the variables in its environment are those of a run inside it, too."""
    return getattr(config, "workerinput", {})


def folder_of_runs(config: pytest.Config, temporary: pytest.TempPathFactory) -> Path:
    """A folder that the next run has, too: in pytest's cache, where there is one that can be written to."""
    cache_: pytest.Cache | None = getattr(config, "cache", None)
    try:
        folder = cache_.mkdir("antarest-templates") if cache_ else None
    except OSError:
        folder = None
    return folder if folder and os.access(folder, os.W_OK) else folder_of_run(config, temporary)
