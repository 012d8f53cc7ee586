"""Only one desktop application runs for each database. A second start opens the page of the running one.

Each database has a lock file in the user's runtime folder. The process that has locked the file writes its port there.
When this process ends, even if it is killed, the kernel releases the lock. The file is never deleted. Otherwise a
process that has just opened the file could lock a deleted file, which no other process can see.
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

from antarest.desktop.errors import InstanceLockUnusable, InstanceSilent

if TYPE_CHECKING:
    from sqlalchemy import URL

INSTANCE_PATH = "/instance"
PATIENCE = 600.0  # seconds for another start to upgrade the database and answer
SILENCE = 15.0  # seconds for an instance that has answered before to answer again, or to end
_POLL = 0.1
_ANSWER = 5.0  # seconds for an application on this host to answer one request


@dataclass(frozen=True)
class RunningInstance:
    """The running instance of a database, as its lock file describes it.

    Attributes:
        pid: the id of its process.
        port: its port on 127.0.0.1; 0 while it serves no pages.
        id: a random id, which the instance returns at `INSTANCE_PATH`.
    """

    pid: int = field(default_factory=os.getpid)
    port: int = 0
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def url(self) -> str:
        """The address of the first page of the instance."""
        return f"http://127.0.0.1:{self.port}/"


class InstanceLock:
    """The lock that allows only one instance for each database."""

    def __init__(self, url: URL) -> None:
        """Create the lock of a database, without taking it.

        Args:
            url: the URL of the database. The user in the URL makes no difference.
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
        """Take the lock, unless another process has it.

        Returns:
            Whether the lock was taken.

        Raises:
            InstanceLockUnusable: the lock file cannot be written.
        """
        try:
            file = self._open()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
        except OSError as error:
            raise InstanceLockUnusable(
                self._path or "the user's runtime folder", error.strerror or str(error)
            ) from None
        self._file = file
        self.write(RunningInstance())  # replaces what a killed process has left
        return True

    def write(self, running: RunningInstance) -> None:
        """Describe the instance in the lock file. Do nothing if this process does not have the lock."""
        with self._writing:
            if self._file is not None:
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, json.dumps(asdict(running)).encode(), 0)

    def read(self) -> RunningInstance | None:
        """Return the instance that the lock file describes. None if the file is missing or not complete yet."""
        try:
            return RunningInstance(**json.loads(self._path.read_bytes())) if self._path else None
        except (OSError, ValueError, TypeError):
            return None

    def leave(self) -> None:
        """Release the lock, if it was taken."""
        with self._writing:
            if self._file is not None:
                os.ftruncate(self._file, 0)
                os.close(self._file)
                self._file = None

    def _open(self) -> int:
        with warnings.catch_warnings():
            # platformdirs warns where it uses another folder. That works too.
            warnings.simplefilter("ignore", platformdirs.RuntimeDirWarning)
            folder = platformdirs.user_runtime_path("antarest", ensure_exists=True)
        self._path = folder / f"desktop-{_key(self._url)}.json"
        # Without O_NOFOLLOW, a link in a shared folder could make us empty any file of this user.
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def take_or_find(
    lock: InstanceLock, waiting: Callable[[RunningInstance], None], patience: float = PATIENCE
) -> RunningInstance | None:
    """Take the lock, or wait until the instance that holds the lock answers.

    Args:
        lock: the lock of the database.
        waiting: called once, if the other instance does not answer yet.
        patience: the seconds to wait.

    Returns:
        The other instance; None if this process has taken the lock.

    Raises:
        InstanceSilent: the other instance does not answer in time.
        InstanceLockUnusable: the lock file cannot be written.
    """
    begun = time.monotonic()
    told = False
    while not lock.take():
        running = lock.read()
        if running and answers(running):
            return running
        # An instance with a port is not upgrading. If it does not answer, it hangs or is about to end.
        limit = min(SILENCE, patience) if running and running.port else patience
        if time.monotonic() - begun > limit:
            raise InstanceSilent(running.pid if running else 0, limit)
        if running and not told:
            waiting(running)
            told = True
        time.sleep(_POLL)
    return None


def answers(running: RunningInstance) -> bool:
    """Return whether an instance answers with its id. After its end, another program could listen on its port."""
    if not running.port:
        return False
    # Not urllib, which would use the proxy of the environment.
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=_ANSWER)
    try:
        connection.request("GET", INSTANCE_PATH)
        answer = connection.getresponse().read(1000)
        return bool(json.loads(answer) == {"id": running.id})
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _key(url: URL) -> str:
    """Return a key that identifies a database by its file, or by its server and name. The user makes no difference."""
    if url.get_backend_name() == "sqlite":
        place = os.path.realpath(str(url.database))
    else:
        place = json.dumps([url.host or url.query.get("host"), url.port or url.query.get("port"), url.database])
    return hashlib.sha256(f"{url.get_backend_name()}:{place}".encode()).hexdigest()[:20]
