"""The address of a database: where a user finds its file or its server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from antarest.migration.errors.settings.urls import database_name, is_memory, redact_url

if TYPE_CHECKING:
    from sqlalchemy import URL


@dataclass(frozen=True)
class DatabaseAddress:
    """The address of a database.

    Attributes:
        name: the name of the file, or of the database and its server.
        folder: the folder of the file; empty for a server.
        full: the path of the file, or the redacted URL.
        size: the size in bytes; None if it is not known.
        changed: the time of the last write to the file (UTC).
    """

    name: str
    folder: str
    full: str
    size: int | None = None
    changed: datetime | None = None

    @classmethod
    def of(cls, url: URL) -> DatabaseAddress:
        """Return the address of a database, without opening its file."""
        if url.get_backend_name() != "sqlite" or is_memory(url):
            return cls(database_name(url), "", redact_url(url))
        file = Path(str(url.database))
        address = cls(file.name, str(file.parent), str(file))
        try:
            found = file.stat()  # Not open(): closing the file would drop the locks that sqlite3 holds on it.
        except OSError:
            return address
        changed = datetime.fromtimestamp(found.st_mtime, UTC).replace(tzinfo=None)
        return replace(address, size=found.st_size, changed=changed)
