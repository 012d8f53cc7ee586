"""A timeout for the wait for a free connection of a pooler.

A pooler such as PgBouncer accepts every client at once. Then the first statement of a transaction waits until one of
the pooler's connections to the server is free, by default for two minutes. The driver has no timeout for that, and a
cancel request has no effect, because nothing runs on the server yet.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_WAITING: dict[Callable[[], None], threading.Thread] = {}


def give_up_all() -> bool:
    """End the waits of all threads, because the process was told to stop.

    Returns:
        Whether the calling thread waits. Then its statement ends with an error.
    """
    waiting = dict(_WAITING)
    for give_up in waiting:
        give_up()
    return threading.current_thread() in waiting.values()


@contextmanager
def begins_within(connection: Any, seconds: float) -> Iterator[None]:
    """Close a connection of `psycopg2` when the first statement of a transaction gets no answer in time.

    Args:
        connection: the connection of the driver. Other statements than the first one have no time limit.
        seconds: how long to wait; 0 for no limit.

    Raises:
        OperationalError: no answer came in time. `driver_errors.py` knows its text.
    """
    import psycopg2  # here, since SQLite does not need it
    from psycopg2.extensions import TRANSACTION_STATUS_IDLE

    if not seconds or connection.autocommit or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
        yield
        return
    gave_up = threading.Event()
    its_own = socket.socket(fileno=os.dup(connection.fileno()))

    def give_up() -> None:
        gave_up.set()
        with suppress(OSError):  # The answer came at the same moment.
            its_own.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    _WAITING[give_up] = threading.current_thread()
    try:
        yield
    except psycopg2.Error:
        if not gave_up.is_set():
            raise
    finally:
        del _WAITING[give_up]
        timer.cancel()
        its_own.close()
    if gave_up.is_set():
        raise psycopg2.OperationalError(f"no answer within {seconds:g} s")
