"""Ctrl-C and SIGTERM during a run: the running statement is cancelled, and the open transaction is rolled back.

Python handles a signal only between its own instructions. So Python would handle no signal while a driver waits for the
server, or while SQLite counts a million rows. Therefore Python's C code also writes each signal into a pipe at once. A
thread reads the pipe and cancels the statement. After this, the main thread raises `Stopped`. A signal stops only a run
in the main thread, because Python handles signals only there. Other threads and their connections are not affected.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection

from .driver_connections import give_up_all

_SERVED = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 0.01  # seconds until a signal is sent again


class Stopped(KeyboardInterrupt):
    """Raised when a signal ends the run.

    Attributes:
        is_at_question: whether the user was asked for consent at that moment, so that nothing had begun.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        self.is_at_question = False

    @property
    def exit_code(self) -> int:
        """The exit code that a shell reports for a process that the signal ended."""
        return 128 + self.signum


class Signals:
    """The signals that a run receives, and the statement that they cancel. `stoppable` creates the object."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._is_held = False
        self._cancel: Callable[[], None] = lambda: None
        self._cancel_commit: Callable[[], None] = lambda: None

    def cancels(self, connection: Connection) -> None:
        """Let signals cancel the statements of this connection from now on."""
        driver: Any = connection.connection.dbapi_connection
        if connection.dialect.name == "sqlite":
            self._cancel = driver.interrupt  # A commit that waits checks `received` itself.
        else:
            # Also a commit may be cancelled: PostgreSQL then rolls back, or has committed and only waits for a standby.
            self._cancel = self._cancel_commit = driver.cancel

    def heed(self) -> None:
        """Raise `Stopped` if a signal came, because the exception of the signal's handler may have been lost.

        For example, SQLite loses an exception that is raised in one of its callbacks.

        Raises:
            Stopped: a signal came.
        """
        if self.received is not None:
            raise Stopped(self.received)

    def hold(self) -> None:
        """Hold signals back from now on, because a commit must not be interrupted.

        Raises:
            Stopped: a signal came before.
        """
        self._is_held = True
        self.heed()

    def release(self) -> None:
        """Handle signals again, including one that came while signals were held back.

        Raises:
            Stopped: a signal came.
        """
        self._is_held = False
        self.heed()

    def _serve(self, signum: int, _frame: object) -> None:
        self.received = signum
        # A driver that waits for a connection raises an error of its own instead, and would lose ours.
        if not self._is_held and not give_up_all():
            raise Stopped(signum)

    def _listen(self, pipe: socket.socket, others: int) -> None:
        """Read the pipe, and cancel the running statement when a signal comes.

        Copy each signal to the pipe that the program itself has set for signals, if there is one.
        """
        while data := pipe.recv(64):
            if others >= 0:
                with suppress(OSError):
                    os.write(others, data)
            if not set(data) & set(_SERVED):
                continue
            if not self._is_held:
                give_up_all()
            with suppress(Exception):  # If the connection is lost, there is nothing to cancel.
                (self._cancel_commit if self._is_held else self._cancel)()


@contextmanager
def stoppable() -> Iterator[Signals]:
    """Handle SIGINT and SIGTERM during the block, in the main thread. An ignored signal stays ignored.

    If a signal came, the program's own handler for this signal is called after the block. For example, a server that
    upgrades its database when it starts uses this handler to shut down.

    Raises:
        Stopped: a signal came. This error replaces the error that the interruption caused.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    try:
        with _served(signals), insisting():
            yield signals
    except BaseException as error:
        if signals.received is None or isinstance(error, Stopped):
            raise
        raise Stopped(signals.received) from error


@contextmanager
def insisting() -> Iterator[None]:
    """Send a signal again if Python ignored the exception that the handler of the signal raised.

    Python ignores exceptions in the callback of a weak reference, for example.
    """
    before, timers = sys.unraisablehook, list[threading.Timer]()

    def hear(ignored: sys.UnraisableHookArgs) -> None:
        if isinstance(ignored.exc_value, KeyboardInterrupt):
            signum = getattr(ignored.exc_value, "signum", signal.SIGINT)
            timer = threading.Timer(_AGAIN, signal.pthread_kill, [threading.main_thread().ident, signum])
            timer.daemon = True
            timer.start()
            timers.append(timer)
        else:
            before(ignored)

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in timers:  # The handler that is restored now must not get the signal twice.
            timer.cancel()
            timer.join()


@contextmanager
def _served(signals: Signals) -> Iterator[None]:
    before = {signum: signal.getsignal(signum) for signum in _SERVED}
    before = {signum: handler for signum, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    others = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=signals._listen, args=(reader, others), name="antarest-signals", daemon=True)  # noqa: SLF001 - a part of Signals
    thread.start()
    for signum in before:
        signal.signal(signum, signals._serve)  # noqa: SLF001
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(others, warn_on_full_buffer=False)
        writer.close()
        thread.join(timeout=5)
        reader.close()
        own = before.get(signal.Signals(signals.received)) if signals.received is not None else None
        if callable(own) and own is not signal.default_int_handler:
            with suppress(KeyboardInterrupt):  # `Stopped` ends the program anyway, and knows the signal.
                signal.raise_signal(signals.received or 0)
