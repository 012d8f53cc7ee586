"""Launches the application step by step. The server and the desktop application take the same steps.

The steps are the configuration, the port, the database, and only then the application itself. So an error comes before
anything changes, and slow imports wait until they are needed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from antarest.core.config import AppConfig
from antarest.migration.commands.boundary import CommandContext, guard
from antarest.migration.commands.rendering import results
from antarest.migration.errors.base import EXIT_DONE
from antarest.migration.errors.text import position, reason
from antarest.migration.project.project import Project
from antarest.migration.workflow.workflow import MigrationWorkflow
from antarest.web.arguments import LaunchOptions
from antarest.web.errors.launching import RightsMissing, refuse_other_than_head
from antarest.web.reading.error_kinds import ErrorKind, kind_of
from antarest.web.serving.serve import address_of, bind, serve

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp

__all__ = ["LaunchOptions", "bind", "launch", "make_app", "require_head", "run", "serve_app"]


def launch(settings: LaunchOptions) -> int:
    """Launch the server, and serve until it is stopped.

    Returns:
        The exit code.
    """
    return run(settings, lambda context: _launch(context, settings))


def run(settings: LaunchOptions, body: Callable[[CommandContext], int]) -> int:
    """Run a program on the configured database, and print the error that ends it.

    Ctrl-C and SIGTERM undo everything that is not finished.

    Args:
        settings: the options of the command line.
        body: the program; returns the exit code.

    Returns:
        The exit code.
    """
    context = CommandContext(settings.config, Project.own())
    return guard(context, lambda: body(context), always=True, debug=settings.debug)


def _launch(context: CommandContext, settings: LaunchOptions) -> int:
    context.introduce()
    server = AppConfig.of(context.config).server
    host, port = settings.host or server.host, server.port if settings.port is None else settings.port
    with bind(host, port, command=settings.program) as bound:
        require_head(context, upgrade=settings.auto_upgrade_db, command=settings.command("--auto-upgrade-db"))
        return serve_app(context, make_app(context), bound, command=settings.program)


def require_head(context: CommandContext, *, upgrade: bool, command: str) -> None:
    """Refuse a database that is not at the head of this code, or upgrade it.

    At head, this is one query, and nothing is locked or imported for it.

    Args:
        context: the context, which names the database.
        upgrade: whether an older database is upgraded.
        command: the command that the error suggests. It upgrades the database, then starts this program.

    Raises:
        SchemaBehind: revisions are pending, and `upgrade` is False.
        SchemaAhead: the database is at a revision that this code does not have.
        RightsMissing: the application's role may not even read the current revision.
        AntarestError: the database cannot be reached, or the upgrade failed and was rolled back.
    """
    # Read as the application's role, which may differ from the role of migrations, and must be able to read this.
    db, project = replace(context.config.db, admin_url=None), context.project
    application = MigrationWorkflow(project, db, source=context.config.source, listener=context.progress)
    current = _current(application)
    if upgrade and not project.history.unknown(current) and project.history.pending(current):
        plan = context.workflow.plan_upgrade()
        if plan.pending:
            context.print(results.upgrade(plan))
        context.report(results.outcome(context.workflow.upgrade(plan), "upgraded"))
        current = _current(application)
    refuse_other_than_head(project, current, application.database, command)
    context.say(("schema", f"{position(current)} (head)"))


def _current(application: MigrationWorkflow) -> tuple[str, ...]:
    try:
        return application.current()
    except DBAPIError as error:
        if kind_of(error) is not ErrorKind.NO_RIGHT:
            raise
        raise RightsMissing(application.database, reason(error)) from error


def make_app(context: CommandContext) -> FastAPI:
    """Make the application, and let it log without passwords."""
    from antarest.web import logs  # This imports FastAPI, so it waits until there is something to serve.
    from antarest.web.application import create_app

    logs.configure(context.redact)
    return create_app(AppConfig.of(context.config), context.project)


def serve_app(
    context: CommandContext,
    app: ASGIApp,
    bound: socket.socket,
    *,
    command: str,
    on_ready: Callable[[str], None] | None = None,
) -> int:
    """Serve until Ctrl-C or SIGTERM. Print the address, and at the end how the server ended.

    Args:
        context: prints the texts.
        app: the application.
        bound: the socket that `bind` returned.
        command: the program, for the hints of errors.
        on_ready: called with the address when connections are accepted.

    Returns:
        The exit code.
    """
    address = address_of(bound)

    def ready() -> None:
        context.say(("listening", address))
        if on_ready:
            on_ready(address)

    code = serve(app, bound, on_ready=ready, command=command)
    context.report("stopped" if code == EXIT_DONE else "stopped; running requests were cut off")
    return code
