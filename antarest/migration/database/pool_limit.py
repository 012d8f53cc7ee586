"""A limit for the wait for a connection of a pool.

A pooler such as PgBouncer lets everybody in at once, and keeps the first statement of a transaction waiting until one
of its connections to the server is free: two minutes, where nobody has configured another time. The driver has no limit
for that, and there is nothing on the server yet that could be cancelled.
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
    """Wait no longer, in whichever thread: the process is told to stop.

    Returns:
        Whether the calling thread waits: its statement ends with an error.
    """
    waiting = dict(_WAITING)
    for give_up in waiting:
        give_up()
    return threading.current_thread() in waiting.values()


@contextmanager
def begins_within(connection: Any, seconds: float) -> Iterator[None]:
    """Close a connection of `psycopg2` under the statement that begins its transaction, when no answer comes in time.

    Args:
        connection: the driver's connection; in a transaction, or outside of any, a statement may take its time.
        seconds: how long to wait; 0 for ever.

    Raises:
        OperationalError: of the driver, in words that are known to mean a pool that is used up.
    """
    import psycopg2  # Imported only where it is needed.
    from psycopg2.extensions import TRANSACTION_STATUS_IDLE

    if not seconds or connection.autocommit or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
        yield
        return
    gave_up = threading.Event()
    its_own = socket.socket(fileno=os.dup(connection.fileno()))

    def give_up() -> None:
        gave_up.set()
        with suppress(OSError):  # The server was faster.
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
