"""Launches the application step by step. The server and the desktop application take the same steps.

The steps are: read the configuration, bind the port, check the database, and make the application. So a mistake is
reported before anything changes, and slow imports take place only when they are needed.
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

    If Ctrl-C or SIGTERM comes, everything that is not committed is rolled back.

    Args:
        settings: the options of the command line.
        body: a function that runs the program, and returns the exit code.

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
    """If the database is not at the head of this code, upgrade the database or refuse it.

    If the database is at head, this takes one query, and nothing is locked or imported.

    Args:
        context: the context, which names the database.
        upgrade: True to upgrade an older database, False to refuse it.
        command: the command that the error suggests. It upgrades the database, and starts this program.

    Raises:
        SchemaBehind: revisions are pending, and `upgrade` is False.
        SchemaAhead: the database is at a revision that this code does not have.
        RightsMissing: the application's role is not allowed to read the current revision.
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
    """Return the application, and make sure that its log contains no passwords."""
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
    """Serve an application until Ctrl-C or SIGTERM. Print its address, and say at the end how the server ended.

    Args:
        context: the context that prints the texts.
        app: the application.
        bound: the socket that `bind` returned.
        command: the command line of the program, for the hints of errors.
        on_ready: called with the address when the server accepts connections.

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
