"""Where the database is, in words for somebody who looks for the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from antarest.migration.errors.settings.urls import database_name, is_memory, redact_url

if TYPE_CHECKING:
    from sqlalchemy import URL


@dataclass(frozen=True)
class Place:
    """A database, as a person would look for it.

    Attributes:
        name: of the file, or of the database with its server.
        folder: of the file; empty for a server.
        full: the path of the file, or the redacted URL.
        size: in bytes; None where nobody knows.
        changed: when the file was written last (UTC).
    """

    name: str
    folder: str
    full: str
    size: int | None = None
    changed: datetime | None = None

    @classmethod
    def of(cls, url: URL) -> Place:
        """The place of a database; nothing but the file's entry in its folder is looked at."""
        if url.get_backend_name() != "sqlite" or is_memory(url):
            return cls(database_name(url), "", redact_url(url))
        file = Path(str(url.database))
        place = cls(file.name, str(file.parent), str(file))
        try:
            found = file.stat()  # Not open(): closing the file would drop the locks that sqlite3 holds on it.
        except OSError:
            return place
        changed = datetime.fromtimestamp(found.st_mtime, UTC).replace(tzinfo=None)
        return replace(place, size=found.st_size, changed=changed)
