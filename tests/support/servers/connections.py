"""Connections that must be refused, and the checks of every refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL, text

from antarest.migration.database.driver_errors import translate_errors
from antarest.migration.database.engines import create_db_engine
from antarest.migration.errors.base import NOTHING_CHANGED
from antarest.migration.errors.facts.database import DatabaseError
from antarest.migration.errors.settings.db_config import DbConfig

SECRET = "geh/ei%m@1"


def refused(url: URL, statement: str = "SELECT 1") -> DatabaseError:
    """Connect and run a statement. This must raise an error, which is checked and returned."""
    engine = create_db_engine(DbConfig(url, connect_timeout=2, busy_timeout=0))
    try:
        with pytest.raises(DatabaseError) as caught, translate_errors(url), engine.begin() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()
    error = caught.value
    shown = str(error) + repr(error) + str(error.to_dict()) + str(error.__cause__)
    assert SECRET not in shown
    assert "geh" not in shown
    assert error.state == NOTHING_CHANGED
    assert error.details["reason"]
    assert error.hints
    assert all(hint.command for hint in error.hints)
    assert 2 + len(error.details) + len(error.hints) <= 9
    assert isinstance(error.__cause__, Exception), "--debug shows what the driver said"
    return error


def sqlite_url(file: Path) -> URL:
    """Return the URL of an SQLite file."""
    return URL.create("sqlite", database=str(file))
