"""Starts the desktop application: upgrades the database, serves the pages, and opens the browser."""

from __future__ import annotations

import threading
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING

from antarest.core.config import AppConfig
from antarest.desktop.instance import InstanceLock, RunningInstance, take_or_find
from antarest.migration.commands.boundary import tell
from antarest.migration.errors.base import EXIT_DONE, AntarestError
from antarest.migration.errors.facts.refusal import InMemoryDatabase
from antarest.migration.errors.facts.run import RunInterrupted, RunTerminated
from antarest.migration.errors.settings.urls import is_memory
from antarest.web.arguments import LaunchOptions
from antarest.web.errors.launching import PortForbidden, PortTaken
from antarest.web.launch import require_head, run, serve_app
from antarest.web.serving.serve import bind

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from antarest.migration.commands.boundary import CommandContext

HOST = "127.0.0.1"  # Never another address: the application is only for the user of this computer.


def launch(settings: LaunchOptions, *, browser: bool = True) -> int:
    """Start the desktop application. If it is already running for this database, only open its page.

    Args:
        settings: the options of the command line.
        browser: whether to open a browser.

    Returns:
        The exit code. If the upgrade failed and no later try succeeded, this is the exit code of the upgrade.
    """
    return run(settings, lambda context: _launch(context, settings, browser=browser))


def _launch(context: CommandContext, settings: LaunchOptions, *, browser: bool) -> int:
    context.introduce()
    if is_memory(context.config.db.url):
        raise InMemoryDatabase(context.config.source)
    with InstanceLock(context.config.db.url) as lock:
        other = take_or_find(lock, lambda running: context.say(("waiting", _waiting_for(running))))
        if other:
            context.say(("running", f"{other.url} (process {other.pid})"))
            _show(context, other.url, browser=browser)
            return EXIT_DONE
        return _serve(context, settings, lock, browser=browser)


def _waiting_for(running: RunningInstance) -> str:
    if running.port:
        return f"the application is already running (process {running.pid}), but does not answer yet"
    return f"another start (process {running.pid}) is upgrading this database"


def _serve(context: CommandContext, settings: LaunchOptions, lock: InstanceLock, *, browser: bool) -> int:
    """Upgrade the database. Serve the application, or a page about the error if the upgrade failed."""
    from antarest.desktop.failures.failure import (
        RetryingApp,  # imports FastAPI, which a second start does not need
    )
    from antarest.web import logs

    logs.configure(context.redact)
    with _bind(context, settings) as bound:
        running = replace(RunningInstance(), port=bound.getsockname()[1])
        is_serving = False

        def attempt() -> FastAPI | AntarestError:
            # The server cannot answer during another try. Without a port, other starts wait for it.
            if is_serving:
                lock.write(replace(running, port=0))
            try:
                return _attempt(context, settings, running.id)
            finally:
                if is_serving:
                    lock.write(running)

        retrying = RetryingApp(AppConfig.of(context.config), running.id, attempt)
        if retrying.error:
            context.say(("page", f"{running.url} says what to do"))

        def greet(_address: str) -> None:
            nonlocal is_serving
            is_serving = True
            # In a thread, since a browser can take time to start, and the server has to answer the browser meanwhile.
            threading.Thread(target=_greet, args=[context, lock, running, browser], daemon=True).start()

        code = serve_app(context, retrying, bound, command=settings.program, on_ready=greet)
    if retrying.stopped:
        raise retrying.stopped
    return retrying.error.exit_code if retrying.error else code


def _bind(context: CommandContext, settings: LaunchOptions) -> socket.socket:
    """Bind the port of the command line. If no port was given, bind the configured port, or else a free port."""
    if settings.port is not None:
        return bind(HOST, settings.port, command=settings.program)
    try:
        return bind(HOST, AppConfig.of(context.config).server.port, command=settings.program)
    except (PortTaken, PortForbidden) as error:
        context.say(("port", f"{error.message}; using a free port"))
        return bind(HOST, 0, command=settings.program)


def _attempt(context: CommandContext, settings: LaunchOptions, instance: str) -> FastAPI | AntarestError:
    """Upgrade the database, and return the application. If this fails, print and return the error."""
    from antarest.desktop.application import create_desktop_app

    try:
        require_head(context, upgrade=True, command=settings.command())
        return create_desktop_app(AppConfig.of(context.config), context.project, instance)
    except (RunInterrupted, RunTerminated):
        raise
    except Exception as error:  # noqa: BLE001 - a page is better than a window that closes
        tell(context, error, debug=settings.debug)
        return context.known(error)


def _greet(context: CommandContext, lock: InstanceLock, running: RunningInstance, browser: bool) -> None:
    """Write the port to the lock file, where a second start finds the port. Then open the page."""
    lock.write(running)
    _show(context, running.url, browser=browser)


def _show(context: CommandContext, url: str, *, browser: bool) -> None:
    if browser and not webbrowser.open(url):
        context.say(("browser", f"none was found; open {url} yourself"))
