"""Runs revisions through the project's `env.py`, as Alembic's commands do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from ..database.lock import in_this_process
from ..errors.base import NOTHING_CHANGED, AntarestError
from ..errors.facts.project import EnvNotAdopted
from ..errors.facts.run import RunFailed
from ..errors.text import described
from ..project.env_options import logging_left_alone
from ..project.revision_files import importing
from .request import OUTCOME, REQUEST, RunOutcome, RunRequest

StepsOf = Callable[[Any, tuple[str, ...]], Iterable[Any]]
"""Given Alembic's scripts and the current revisions, returns the steps to run."""


def _run_env(scripts: ScriptDirectory, environment: EnvironmentContext, request: RunRequest) -> None:
    # Fails for an `env.py` that does not call `environment.run`, before this `env.py` can connect to a database.
    _ = request.project.options
    with environment, importing(request.project.versions), logging_left_alone():
        scripts.run_env()


def run_through_env(request: RunRequest, steps_of: StepsOf, target: str | None) -> RunOutcome:
    """Run revisions through `env.py`.

    Args:
        request: the request for the run, which `env.py` finds in the configuration.
        steps_of: returns the steps to run, given Alembic's scripts and the current revisions.
        target: the target of the steps, for messages.

    Returns:
        The outcome of the run, which `env.py` stores in the configuration.

    Raises:
        EnvNotAdopted: `env.py` did not call `environment.run`, or wants to connect or to run the steps itself.
        RunFailed: `env.py` ended the program.
    """
    project = request.project
    config = project.alembic_config(**{REQUEST: request})
    scripts = ScriptDirectory.from_config(config)

    def steps(current: tuple[str, ...], context: object) -> Iterable[Any]:
        if context is not None:  # Alembic passes a context if `env.py` runs revisions itself.
            raise EnvNotAdopted(project.ini, request.database)
        return steps_of(scripts, current)

    environment = EnvironmentContext(config, scripts, fn=steps, as_sql=False, destination_rev=target)
    try:
        with in_this_process(request.db, request.patience()):
            _run_env(scripts, environment, request)
    except SystemExit as error:  # Exit code 0 would look like success.
        done = config.attributes.get(OUTCOME)
        why = f"env.py, or a module that it imports, ended the program: {described(error)}"
        raise RunFailed(why, database=request.database, state=done.state() if done else NOTHING_CHANGED) from error
    except Exception as error:
        if isinstance(error, AntarestError) or OUTCOME in config.attributes:
            raise
        raise EnvNotAdopted(project.ini, request.database, described(error)) from error
    outcome: RunOutcome | None = config.attributes.get(OUTCOME)
    if outcome is None:
        raise EnvNotAdopted(project.ini, request.database)
    return outcome
