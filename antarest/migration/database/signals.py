"""Ctrl-C and SIGTERM during a run: the statement that runs is cancelled, and what was not committed is rolled back.

Python serves a signal between its own instructions only, so a driver that waits for the server, or an SQLite that
counts a million rows, would keep it waiting. The system writes each signal into a pipe at once; a thread reads it there
and cancels the statement from outside. The main thread then raises `Stopped`. Other threads, and their connections, are
left alone: only the main thread serves signals, and only a run in it can be stopped this way.
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

from .pool_limit import give_up_all

_SERVED = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 0.01  # seconds until a signal is sent again


class Stopped(KeyboardInterrupt):
    """A signal has ended the run."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """What a shell reports of a process that the signal ended."""
        return 128 + self.signum


class Signals:
    """What a run does with signals; made by `stoppable`."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._is_held = False
        self._cancel: Callable[[], None] = lambda: None
        self._cancel_commit: Callable[[], None] = lambda: None

    def cancels(self, connection: Connection) -> None:
        """Cancel the statements of this connection, from now on."""
        driver: Any = connection.connection.dbapi_connection
        if connection.dialect.name == "sqlite":
            self._cancel = driver.interrupt  # A commit that waits looks at `received` by itself.
        else:
            # PostgreSQL ends a commit that waits for a standby as committed, and undoes one that has not come so far.
            self._cancel = self._cancel_commit = driver.cancel

    def heed(self) -> None:
        """Stop for a signal that came where an exception gets lost, as in a callback of SQLite.

        Raises:
            Stopped: one came.
        """
        if self.received is not None:
            raise Stopped(self.received)

    def hold(self) -> None:
        """Let no signal interrupt what comes now: a commit is a commit, or it is none.

        Raises:
            Stopped: one came before.
        """
        self._is_held = True
        self.heed()

    def release(self) -> None:
        """Serve signals again, also one that came meanwhile.

        Raises:
            Stopped: one came.
        """
        self._is_held = False
        self.heed()

    def _serve(self, signum: int, _frame: object) -> None:
        self.received = signum
        # Within the driver, which waits for a connection, an exception has no place; one of its own comes anyway.
        if not self._is_held and not give_up_all():
            raise Stopped(signum)

    def _listen(self, pipe: socket.socket, others: int) -> None:
        """Cancel the statement for each signal that is reported, and pass the report on to who read it before."""
        while data := pipe.recv(64):
            if others >= 0:
                with suppress(OSError):
                    os.write(others, data)
            if not set(data) & set(_SERVED):
                continue
            if not self._is_held:
                give_up_all()
            with suppress(Exception):  # The connection is gone: then there is nothing to cancel.
                (self._cancel_commit if self._is_held else self._cancel)()


@contextmanager
def stoppable() -> Iterator[Signals]:
    """Serve SIGINT and SIGTERM during the block, in the main thread; one that is ignored stays ignored.

    Afterwards a handler that the program had itself hears of the signal too: a server that upgrades at its start has to
    stop.

    Raises:
        Stopped: a signal came, whatever error its interruption led to.
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
    """Send a signal again whose exception was raised where Python ignores any, as in a callback of a weak reference."""
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
        for timer in timers:  # Whoever handles the signal now may have been told already.
            timer.cancel()
            timer.join()


@contextmanager
def _served(signals: Signals) -> Iterator[None]:
    before = {signum: signal.getsignal(signum) for signum in _SERVED}
    before = {signum: handler for signum, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    others = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=signals._listen, args=(reader, others), name="antarest-signals", daemon=True)  # noqa: SLF001 - the two belong together
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
            with suppress(KeyboardInterrupt):  # It ends the program by one; `Stopped` does, and knows more.
                signal.raise_signal(signals.received or 0)
