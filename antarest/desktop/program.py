"""The desktop application as a program: one start, from the upgrade to the last request."""

from __future__ import annotations

import threading
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING

from antarest.core.config import Config
from antarest.desktop.instance import Record, Seat, take_or_find
from antarest.migration.commands.boundary import tell
from antarest.migration.errors.base import EXIT_DONE, AntarestError
from antarest.migration.errors.facts.refusal import InMemoryDatabase
from antarest.migration.errors.facts.run import RunInterrupted, RunTerminated
from antarest.migration.errors.settings.urls import is_memory
from antarest.web.arguments import Settings
from antarest.web.errors.launching import PortForbidden, PortTaken
from antarest.web.launch import require_head, run, serve_app
from antarest.web.serving import bind

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from antarest.migration.commands.boundary import CommandContext

HOST = "127.0.0.1"  # Never another one: this application is for whoever sits here.


def launch(settings: Settings, *, browser: bool = True) -> int:
    """Start the desktop application, or show the one that runs already.

    Args:
        settings: what the command line says.
        browser: whether a browser is opened.

    Returns:
        The exit code: that of the upgrade, when it failed and trying again did not mend it.
    """
    return run(settings, lambda context: _launch(context, settings, browser=browser))


def _launch(context: CommandContext, settings: Settings, *, browser: bool) -> int:
    context.introduce()
    if is_memory(context.config.db.url):
        raise InMemoryDatabase(context.config.source)
    with Seat(context.config.db.url) as seat:
        other = take_or_find(seat, lambda record: context.say(("waiting", _waiting_for(record))))
        if other:
            context.say(("running", f"{other.url} (process {other.pid})"))
            _show(context, other.url, browser=browser)
            return EXIT_DONE
        return _serve(context, settings, seat, browser=browser)


def _waiting_for(record: Record) -> str:
    if record.port:
        return f"the application runs already (process {record.pid}), and does not answer at once"
    return f"another start (process {record.pid}) is upgrading this database"


def _serve(context: CommandContext, settings: Settings, seat: Seat, *, browser: bool) -> int:
    """Upgrade, and serve what came of it: the application, or the page that says what is wrong."""
    from antarest.desktop.failure import Stage  # FastAPI: not for a second start, which only opens a page.
    from antarest.web import logs

    logs.configure(context.redact)
    with _bind(context, settings) as bound:
        record = replace(Record(), port=bound.getsockname()[1])
        is_serving = False

        def attempt() -> FastAPI | AntarestError:
            # What is asked for again keeps the server from answering: another start has to wait as for this one.
            if is_serving:
                seat.write(replace(record, port=0))
            try:
                return _attempt(context, settings, record.id)
            finally:
                if is_serving:
                    seat.write(record)

        stage = Stage(Config.of(context.config), record.id, attempt)
        if stage.error:
            context.say(("page", f"{record.url} says what to do"))

        def greet(_address: str) -> None:
            nonlocal is_serving
            is_serving = True
            # In a thread: a browser may take its time to start, and the server has to answer it meanwhile.
            threading.Thread(target=_greet, args=[context, seat, record, browser], daemon=True).start()

        code = serve_app(context, stage, bound, command=settings.program, on_ready=greet)
    if stage.stopped:
        raise stage.stopped
    return stage.error.exit_code if stage.error else code


def _bind(context: CommandContext, settings: Settings) -> socket.socket:
    """The port that was asked for, else the configured one, else a free one."""
    if settings.port is not None:
        return bind(HOST, settings.port, command=settings.program)
    try:
        return bind(HOST, Config.of(context.config).server.port, command=settings.program)
    except (PortTaken, PortForbidden) as error:
        context.say(("port", f"{error.message}; taking a free one"))
        return bind(HOST, 0, command=settings.program)


def _attempt(context: CommandContext, settings: Settings, instance: str) -> FastAPI | AntarestError:
    """Upgrade the database, and make the application; an error is printed, and returned."""
    from antarest.desktop.application import create_desktop_app

    try:
        require_head(context, upgrade=True, command=settings.command())
        return create_desktop_app(Config.of(context.config), context.project, instance)
    except (RunInterrupted, RunTerminated):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the page can say more than a window that closes
        tell(context, error, debug=settings.debug)
        return context.known(error)


def _greet(context: CommandContext, seat: Seat, record: Record, browser: bool) -> None:
    """Tell other starts where the application is, and open it."""
    seat.write(record)
    _show(context, record.url, browser=browser)


def _show(context: CommandContext, url: str, *, browser: bool) -> None:
    if browser and not webbrowser.open(url):
        context.say(("browser", f"none was found; open {url} yourself"))
