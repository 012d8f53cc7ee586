"""The folder of backups: how a backup is named, written, found again, and how few of them are kept.

A backup is a file, and beside it a description in JSON, both readable by their owner only. They are written in a folder
of their own, which no one takes for a backup, and get their names when all is on the disk: the description first, so
that a backup always has one. A database knows its backups by what the description says, not by the name of the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import URL

from ..errors.facts.backup import BackupFailed, BackupNotFound, NoSpace
from ..errors.revision import BASE
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import redact_url
from .contents import Contents

SUFFIXES = {"sqlite": ".sqlite", "postgresql": ".dump"}
_UNFINISHED = ".unfinished-"
_TIME = "%Y%m%dT%H%M%SZ"
_LONGEST = 60  # characters of a name, before the revision and the time
_RESERVE = 16 * 2**20  # bytes that a backup leaves free: a disk that is quite full stops more than a backup
_VOLATILE = 51  # bytes at the beginning of a dump that tell the time; see `digest`


@dataclass(frozen=True)
class Backup:
    """A backup.

    Attributes:
        path: its file.
        time: the moment that it is of, in UTC.
        size: its bytes.
        contents: what it holds; None where nobody has written it down.
        digest: what its bytes come to; empty where nobody has written it down.
    """

    path: Path
    time: datetime
    size: int
    contents: Contents | None = None
    digest: str = field(default="", repr=False)


@dataclass(frozen=True)
class Folder:
    """Where the backups of one database lie, among those of others.

    Attributes:
        path: the folder.
        database: which database: where it is, without the role and the password.
        url: its URL.
        kept: how many of its backups are kept.
    """

    path: Path
    database: str
    url: URL
    kept: int

    @classmethod
    def of(cls, db: DbConfig) -> Folder:
        """The folder of a configured database. It need not exist."""
        url = db.migration_url
        return cls(db.backup_folder or _default(url), _identity(url), url, db.backups_kept)

    @property
    def suffix(self) -> str:
        """How the names of its backups end."""
        return SUFFIXES[self.url.get_backend_name()]

    @cached_property
    def _name(self) -> str:
        """What its backups are called: the name of the database, of characters that suit a file."""
        name = str(self.url.database)
        stem = Path(name).stem if self.url.get_backend_name() == "sqlite" else name
        return _plain(stem)[:_LONGEST] or "database"

    # ---- finding them

    def list(self) -> list[Backup]:
        """The backups of this database, newest first."""
        found = [backup for file in _json_files(self.path) if (backup := self._read(file))]
        return sorted(found, key=lambda backup: backup.time, reverse=True)

    def find(self, asked: str | None) -> Backup:
        """The backup of that name or path, whoever made it; the newest one of this database where none is asked for.

        Raises:
            BackupNotFound: there is none.
        """
        if not asked:
            if newest := next(iter(self.list()), None):
                return newest
            raise BackupNotFound("", database=redact_url(self.url), folder=self.path)
        candidates = [Path(asked).expanduser().absolute(), self.path / asked]
        path = next((each for each in candidates if each.is_file()), None)
        if path is None:
            raise BackupNotFound(asked, database=redact_url(self.url), folder=self.path)
        if described := _describe(_description(path), path):
            return described[1]
        known = path.stat()
        return Backup(path, datetime.fromtimestamp(known.st_mtime, UTC), known.st_size)

    def _read(self, file: Path) -> Backup | None:
        described = _describe(file, file.with_suffix(self.suffix))
        return described[1] if described and described[0] == self.database else None

    # ---- making one

    @contextmanager
    def unfinished(self, needed: int) -> Iterator[Path]:
        """A folder to write a backup in, which is gone with the block; what killed processes left is tidied up.

        Args:
            needed: about how many bytes will be written.

        Raises:
            BackupFailed: the folder of backups cannot be written to.
            NoSpace: there is too little space.
        """
        with self._translated():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            if needed + _RESERVE > free:
                raise NoSpace(needed, free, database=redact_url(self.url), folder=self.path)
            with self._locked():
                self._tidy()
                work = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.path))
                lock = _lock(work / "lock")
        try:
            with self._translated():
                yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
            os.close(lock)

    def keep(self, file: Path, contents: Contents, made: datetime, *, spare: Path | None = None) -> Backup:
        """Give a backup that is written and verified its name, and delete the oldest ones beyond the number kept.

        A backup that differs in nothing from the newest one there is not kept twice: a service that starts, fails and
        starts again would otherwise soon have nothing else.

        Args:
            file: its file, in the folder that `unfinished` made.
            contents: what it holds.
            made: of which moment it is.
            spare: a backup that must not be deleted, because it is in use.
        """
        sync(file)
        known = Backup(file, made, file.stat().st_size, contents, digest(file))
        with self._locked():
            newest = next(iter(self.list()), None)
            if newest and newest.digest == known.digest == digest(newest.path):
                return newest
            path = self._free_path(contents, made)
            self._write_description(known, file.with_suffix(".json"))
            file.with_suffix(".json").rename(path.with_suffix(".json"))
            file.rename(path)
            sync(self.path)
            self._prune({each.resolve() for each in (path, spare) if each})
        return Backup(path, known.time, known.size, contents, known.digest)

    def _free_path(self, contents: Contents, time: datetime) -> Path:
        revision = _plain("+".join(contents.revisions) or BASE)[:_LONGEST]
        stem = f"{self._name}-{revision}-{time:{_TIME}}"
        number = 1
        while True:
            path = self.path / f"{stem}{f'-{number}' if number > 1 else ''}{self.suffix}"
            if not os.path.lexists(path) and not os.path.lexists(path.with_suffix(".json")):
                return path
            number += 1

    def _write_description(self, backup: Backup, path: Path) -> None:
        described = {
            "database": self.database,
            "time": backup.time.isoformat(),
            "size": backup.size,
            "digest": backup.digest,
            "contents": asdict(backup.contents) if backup.contents else None,
        }
        with os.fdopen(create(path), "w", encoding="utf-8") as stream:
            json.dump(described, stream, indent=2)
        sync(path)

    def _prune(self, spared: set[Path]) -> None:
        found = self.list()
        others = [backup for backup in found if backup.path.resolve() not in spared]
        for backup in others[max(self.kept - (len(found) - len(others)), 0) :]:
            backup.path.unlink(missing_ok=True)
            backup.path.with_suffix(".json").unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Delete what processes that were killed have left: nobody locks it any more."""
        for folder in self.path.glob(f"{_UNFINISHED}*"):
            with suppress(OSError):
                os.close(_lock(folder / "lock", wait=False))
                shutil.rmtree(folder, ignore_errors=True)
        for file in _json_files(self.path):
            described = _describe(file, None)
            if described and described[0] == self.database and not file.with_suffix(self.suffix).exists():
                file.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time name and delete backups; it takes no longer than that."""
        lock = _lock(self.path / ".lock")
        try:
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise BackupFailed(reason, database=redact_url(self.url), folder=self.path) from error


def create(path: Path) -> int:
    """Create a file that nobody else may read, before its first byte is written; returns its descriptor."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk. Not for a file that sqlite3 has locked."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    """What the bytes of a backup come to. A dump begins with its version and the time, which are no part of it."""
    with path.open("rb") as stream:
        if path.suffix == SUFFIXES["postgresql"]:
            stream.seek(_VOLATILE)
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _default(url: URL) -> Path:
    if url.get_backend_name() == "sqlite":
        return Path(str(url.database)).absolute().parent / "backups"
    from platformdirs import user_data_path  # Only here is it needed.

    return user_data_path("antarest") / "backups"


def _identity(url: URL) -> str:
    """Which database it is, whoever connects to it."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{os.path.realpath(str(url.database))}"
    place = {key: url.query[key] for key in ("host", "port", "service") if key in url.query}
    return redact_url(url.set(username=None, password=None, query=place))


def _plain(name: str) -> str:
    """The name with everything replaced that a file, a shell or the parts of a backup's name could trip over."""
    return re.sub(r"[^\w.+]", "_", name).lstrip(".")


def _description(path: Path) -> Path:
    return path.with_suffix(".json")


def _json_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _describe(file: Path, backup: Path | None) -> tuple[str, Backup] | None:
    """Read a description: the database, and the backup; None where it is none, or its backup is not there."""
    path = backup or file
    try:
        if not path.is_file():
            return None
        read = json.loads(file.read_text(encoding="utf-8"))
        contents = read["contents"]
        known = Contents(tuple(contents["revisions"]), dict(contents["rows"]), str(contents["engine"]))
        time = datetime.fromisoformat(read["time"]).astimezone(UTC)
        return str(read["database"]), Backup(path, time, int(read["size"]), known, str(read["digest"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _lock(path: Path, *, wait: bool = True) -> int:
    """Lock a file, which is created where it is missing, until the descriptor that is returned is closed."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
