"""One running application for each database: who holds the seat serves, and everybody else is shown the way to it.

The seat is a file in the user's runtime folder, named after the database, and locked as long as its process lives: the
kernel frees the lock of a process that was killed, so nothing is ever left in the way. The holder writes into it where
it serves. The file is never deleted: whoever opened it just before would lock a file that nobody else sees.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import platformdirs

from antarest.desktop.errors import InstanceSilent, SeatUnusable

if TYPE_CHECKING:
    from sqlalchemy import URL

INSTANCE_PATH = "/instance"
PATIENCE = 600.0  # the seconds in which another start may upgrade the database and answer
SILENCE = 15.0  # the seconds in which one that has answered before answers again, or ends
_POLL = 0.1
_ANSWER = 5.0  # the seconds in which an application on this host answers one question


@dataclass(frozen=True)
class Record:
    """What the holder of a seat says of itself.

    Attributes:
        pid: its process.
        port: where it serves, on 127.0.0.1; 0 as long as it does not.
        id: what it answers when it is asked who it is.
    """

    pid: int = field(default_factory=os.getpid)
    port: int = 0
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"http://127.0.0.1:{self.port}/"


class Seat:
    """The one place from which the application of a database is served."""

    def __init__(self, url: URL) -> None:
        """Name the seat of a database.

        Args:
            url: the database. Who connects, and with which parameters, makes no difference.
        """
        self._url = url
        self._file: int | None = None
        self._path: Path | None = None
        self._writing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def take(self) -> bool:
        """Take the seat, unless somebody has it.

        Raises:
            SeatUnusable: its file cannot be written.
        """
        try:
            file = self._open()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
        except OSError as error:
            raise SeatUnusable(self._path or "the user's runtime folder", error.strerror or str(error)) from None
        self._file = file
        self.write(Record())  # What a killed process left is not true any more.
        return True

    def write(self, record: Record) -> None:
        """Say where the holder serves; nothing to say for who is no holder, or not any more."""
        with self._writing:
            if self._file is not None:
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, json.dumps(asdict(record)).encode(), 0)

    def read(self) -> Record | None:
        """What the holder says; None while it is just writing."""
        try:
            return Record(**json.loads(self._path.read_bytes())) if self._path else None
        except (OSError, ValueError, TypeError):
            return None

    def leave(self) -> None:
        """Give the seat back, if it was taken."""
        with self._writing:
            if self._file is not None:
                os.ftruncate(self._file, 0)
                os.close(self._file)
                self._file = None

    def _open(self) -> int:
        with warnings.catch_warnings():
            # That there is no runtime folder of the session, and another one has to do, is nothing to act upon.
            warnings.simplefilter("ignore", platformdirs.RuntimeDirWarning)
            folder = platformdirs.user_runtime_path("antarest", ensure_exists=True)
        self._path = folder / f"desktop-{_key(self._url)}.json"
        # Without O_NOFOLLOW, a link in a shared folder could name any file of this user to be emptied.
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def take_or_find(seat: Seat, waiting: Callable[[Record], None], patience: float = PATIENCE) -> Record | None:
    """Take the seat, or find the application that has it and wait until it answers.

    Args:
        seat: the seat of the database.
        waiting: called once, when the other one is there and does not answer yet.
        patience: the seconds to wait.

    Returns:
        None when the seat is ours now, else the other one.

    Raises:
        InstanceSilent: the other one did not answer in time.
        SeatUnusable: the file of the seat cannot be written.
    """
    begun = time.monotonic()
    told = False
    while not seat.take():
        record = seat.read()
        if record and answers(record):
            return record
        # It says where it serves when it has answered once: then it does not upgrade any more, but hangs, or ends.
        limit = min(SILENCE, patience) if record and record.port else patience
        if time.monotonic() - begun > limit:
            raise InstanceSilent(record.pid if record else 0, limit)
        if record and not told:
            waiting(record)
            told = True
        time.sleep(_POLL)
    return None


def answers(record: Record) -> bool:
    """Whether the application that wrote the record serves there: a port may have gone to somebody else since."""
    if not record.port:
        return False
    # Not urllib: it would ask the proxy of the environment.
    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=_ANSWER)
    try:
        connection.request("GET", INSTANCE_PATH)
        answer = connection.getresponse().read(1000)
        return bool(json.loads(answer) == {"id": record.id})
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _key(url: URL) -> str:
    """What the database is, without who asks: the file, or the server with the name."""
    if url.get_backend_name() == "sqlite":
        place = os.path.realpath(str(url.database))
    else:
        place = json.dumps([url.host or url.query.get("host"), url.port or url.query.get("port"), url.database])
    return hashlib.sha256(f"{url.get_backend_name()}:{place}".encode()).hexdigest()[:20]
