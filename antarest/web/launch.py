"""How the application is launched, step by step; the server and the desktop application take the same steps.

Configuration, port, database, and only then the application itself: what cannot work is said before anything changes,
and what is slow to import is imported when it is needed.
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
from antarest.migration.errors.settings.urls import redact_url
from antarest.migration.errors.text import count, position, reason
from antarest.migration.project.project import Project
from antarest.migration.workflow.workflow import MigrationWorkflow
from antarest.web.arguments import Settings
from antarest.web.errors.launching import RightsMissing, SchemaAhead, SchemaBehind
from antarest.web.reading.error_kinds import ErrorKind, kind_of
from antarest.web.serving.serve import address_of, bind, serve

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp

__all__ = ["Settings", "bind", "launch", "make_app", "require_head", "run", "serve_app", "upgrade_to_head"]


def launch(settings: Settings) -> int:
    """Launch the server, and serve until it is stopped.

    Returns:
        The exit code.
    """
    return run(settings, lambda context: _launch(context, settings))


def run(settings: Settings, body: Callable[[CommandContext], int]) -> int:
    """Do what a program does with the configured database, and print its error, if it ends with one.

    Ctrl-C and SIGTERM undo what is not finished.

    Args:
        settings: what the command line says.
        body: what the program does; returns the exit code.

    Returns:
        The exit code.
    """
    context = CommandContext(settings.config, Project.own())
    return guard(context, lambda: body(context), always=True, debug=settings.debug)


def _launch(context: CommandContext, settings: Settings) -> int:
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
        context: what names the database.
        upgrade: whether an older one is upgraded.
        command: what starts this program and upgrades first, for the error.

    Raises:
        SchemaBehind: revisions are pending, and nobody said that they should run.
        SchemaAhead: the database is at a revision that this code does not have.
        RightsMissing: the application's role may not even read where the database is.
        AntarestError: the database cannot be reached, or the upgrade failed and was rolled back.
    """
    # As the application, which may have another role than migrations: it must be able to read this much.
    project = context.project
    application = MigrationWorkflow(project, replace(context.config.db, admin_url=None), source=context.config.source)
    history, database = project.history, redact_url(context.config.db.url)
    head, current = history.head, _current(application)
    if unknown := history.unknown(current):
        raise SchemaAhead(unknown[0], database, history.heads, len(history), project.folder)
    pending = history.pending(current)
    if pending and not upgrade:
        raise SchemaBehind(database, current, pending, head, command)
    if pending:
        upgrade_to_head(context)
        current = _current(application)
    context.say(("schema", f"{position(current)} (head)"))


def _current(application: MigrationWorkflow) -> tuple[str, ...]:
    try:
        return application.current()
    except DBAPIError as error:
        if kind_of(error) is not ErrorKind.NO_RIGHT:
            raise
        raise RightsMissing(application.database, reason(error)) from error


def upgrade_to_head(context: CommandContext) -> None:
    """Upgrade the database, with a line for each revision.

    Raises:
        AntarestError: the upgrade failed and was rolled back.
    """
    workflow = context.workflow
    pending = workflow.pending()
    if pending:
        start = position(workflow.current())
        context.say(("upgrade", f"{start} -> {pending[-1].id} ({count(len(pending), 'revision')})"))
    context.print(results.move(workflow.upgrade(), "upgraded"))


def make_app(context: CommandContext) -> FastAPI:
    """Make the application, and let it log without passwords."""
    from antarest.web import logs  # With FastAPI: not before it is known that there is something to serve.
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
    """Serve until Ctrl-C or SIGTERM, and say where, and how it ended.

    Args:
        context: who says it.
        app: the application.
        bound: what `bind` returned.
        command: the program, for the ways on that an error names.
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
    context.print("stopped" if code == EXIT_DONE else "stopped; running requests were cut off")
    return code
