"""The folder of backups, in which backups are written, named, found and deleted.

A backup is a file with a description in JSON beside it. Only the owner of the two files can read them. Both are
written in a temporary folder, and renamed when they are on the disk. The description is renamed first, so that a backup
always has a description. The description says to which database a backup belongs; the name of the file does not count.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import URL, Connection

from ..database.catalog import count_rows, read_catalog
from ..database.connection import engine_version, read_current
from ..errors.facts.backup import BackupFailed, BackupNotFound, NoSpace
from ..errors.revision import BASE, VersionTable
from ..errors.settings.db_config import DbConfig
from ..errors.settings.location import data_folder
from ..errors.settings.urls import redact_url

Progress = Callable[[int, int], None]
"""Called with the progress of a copy: the part that is done, and the total (0 if it is not known)."""


@dataclass(frozen=True)
class Contents:
    """The contents of a database.

    Attributes:
        revisions: the current revisions of the database.
        rows: the number of rows of each table.
        engine: the engine and its version, such as `PostgreSQL 15.18`.
    """

    revisions: tuple[str, ...]
    rows: Mapping[str, int]
    engine: str = ""

    @property
    def total(self) -> int:
        """The number of rows of all tables together."""
        return sum(self.rows.values())


def read_contents(connection: Connection, version_table: VersionTable) -> Contents:
    """Return the contents of a database. This counts every row."""
    rows = count_rows(connection, read_catalog(connection, exclude=version_table.both))
    return Contents(read_current(connection, version_table), rows, engine_version(connection))


SUFFIXES = {"sqlite": ".sqlite", "postgresql": ".dump"}
_UNFINISHED = ".unfinished-"
_TIME = "%Y%m%dT%H%M%SZ"
_LONGEST = 60  # the most characters of a database name in the name of a backup
_RESERVE = 16 * 2**20  # bytes that a backup leaves free, since a full disk would stop other programs too
_VOLATILE = 51  # bytes at the beginning of a dump that depend on the time of the dump; see `digest`


@dataclass(frozen=True)
class Backup:
    """A backup.

    Attributes:
        path: the path of the file.
        time: the time of the data in the backup, in UTC.
        size: the size of the file in bytes.
        contents: the contents of the saved database; None if the backup has no description.
        digest: the hash of the file; empty if the backup has no description.
    """

    path: Path
    time: datetime
    size: int
    contents: Contents | None = None
    digest: str = field(default="", repr=False)


@dataclass(frozen=True)
class Folder:
    """The folder with the backups of a database. The folder can also have backups of other databases.

    Attributes:
        path: the path of the folder.
        database: the URL of the database without role and password. The description of each backup has this URL.
        url: the URL of the database.
        kept: the number of backups of this database to keep.
    """

    path: Path
    database: str
    url: URL
    kept: int

    @classmethod
    def of(cls, db: DbConfig) -> Folder:
        """Return the folder for a configured database. The folder need not exist."""
        url = db.migration_url
        return cls(db.backup_folder or _default(url), _identity(url), url, db.backups_kept)

    @property
    def suffix(self) -> str:
        """The ending of the file names of the backups."""
        return SUFFIXES[self.url.get_backend_name()]

    @cached_property
    def _name(self) -> str:
        """The beginning of the file names of the backups: the name of the database, with safe characters only."""
        name = str(self.url.database)
        stem = Path(name).stem if self.url.get_backend_name() == "sqlite" else name
        return _plain(stem)[:_LONGEST] or "database"

    # ---- finding backups

    def list(self) -> list[Backup]:
        """Return the backups of this database, newest first."""
        found = [backup for file in sorted(self.path.glob("*.json")) if (backup := self._read(file))]
        return sorted(found, key=lambda backup: backup.time, reverse=True)

    def find(self, asked: str | None) -> Backup:
        """Return the backup with this name or path, even if the backup is of another database.

        Without a name, return the newest backup of this database.

        Raises:
            BackupNotFound: there is no such backup.
        """
        if not asked:
            if newest := next(iter(self.list()), None):
                return newest
            raise BackupNotFound("", database=redact_url(self.url), folder=self.path)
        candidates = [Path(asked).expanduser().absolute(), self.path / asked]
        path = next((each for each in candidates if each.is_file()), None)
        if path is None:
            raise BackupNotFound(asked, database=redact_url(self.url), folder=self.path)
        if described := _describe(path.with_suffix(".json"), path):
            return described[1]
        known = path.stat()
        return Backup(path, datetime.fromtimestamp(known.st_mtime, UTC), known.st_size)

    def _read(self, file: Path) -> Backup | None:
        described = _describe(file, file.with_suffix(self.suffix))
        return described[1] if described and described[0] == self.database else None

    # ---- making a backup

    @contextmanager
    def unfinished(self, needed: int) -> Iterator[Path]:
        """Create a temporary folder in which a backup is written. The folder exists until the end of the `with` block.

        Temporary folders that killed processes have left are deleted.

        Args:
            needed: the approximate size of the backup in bytes.

        Raises:
            BackupFailed: the folder of backups cannot be written.
            NoSpace: there is too little space.
        """
        with self._translated():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
            if needed + _RESERVE > free:
                raise NoSpace(needed, _RESERVE, free, database=redact_url(self.url), folder=self.path)
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
        """Give a verified backup its final name, and delete the oldest backups beyond the number to keep.

        A backup that equals the newest one is deleted. Otherwise a service that repeatedly fails and starts would soon
        replace all older backups.

        Args:
            file: the file of the backup, in the folder that `unfinished` created.
            contents: the contents of the saved database.
            made: the time of the data in the backup.
            spare: a backup that must not be deleted, because it is in use.

        Returns:
            The new backup, or the newest one if both are equal.
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
        """Delete the files that killed processes have left. No process has a lock on these files."""
        for folder in self.path.glob(f"{_UNFINISHED}*"):
            with suppress(OSError):
                os.close(_lock(folder / "lock", wait=False))
                shutil.rmtree(folder, ignore_errors=True)
        for file in sorted(self.path.glob("*.json")):
            described = _describe(file, None)
            if described and described[0] == self.database and not file.with_suffix(self.suffix).exists():
                file.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let only this process rename and delete backups until the end of the `with` block."""
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
    """Create an empty file that only its owner can read, and return its descriptor."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk with fsync.

    This releases the locks of sqlite3 on the file.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    """Return the hash of a backup, without the version and the time at the beginning of a dump."""
    with path.open("rb") as stream:
        if path.suffix == SUFFIXES["postgresql"]:
            stream.seek(_VOLATILE)
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _default(url: URL) -> Path:
    if url.get_backend_name() == "sqlite":
        return Path(str(url.database)).absolute().parent / "backups"
    return data_folder() / "backups"


def _identity(url: URL) -> str:
    """Return the identity of a database, which does not depend on the role that connects."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{os.path.realpath(str(url.database))}"
    place = {key: url.query[key] for key in ("host", "port", "service") if key in url.query}
    return url.set(drivername="postgresql", username=None, password=None, query=place).render_as_string()


def _plain(name: str) -> str:
    """Return a name without characters that are special in a file name, in a shell or in the name of a backup."""
    return re.sub(r"[^\w.+]", "_", name).lstrip(".")


def _describe(file: Path, backup: Path | None) -> tuple[str, Backup] | None:
    """Return the database and the backup that a file describes; None if the file is invalid or has no backup."""
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
    """Lock a file until the returned descriptor is closed. A missing file is created."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
