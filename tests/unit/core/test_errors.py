from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from antarest.migration.errors.base import (
    EXIT_FAILED,
    EXIT_LOCKED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    NOTHING_CHANGED,
    AntarestError,
    Hint,
)
from antarest.migration.errors.facts import configuration, database
from antarest.migration.errors.facts.configuration import ConfigError, InvalidValue, UsageError
from antarest.migration.errors.facts.database import DatabaseError
from antarest.migration.errors.facts.project import InvalidProject

CLASSES: set[type[AntarestError]] = {
    each
    for module in (configuration, database)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, AntarestError)
}


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [each.code for each in CLASSES]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", sorted(CLASSES, key=str))
def test_the_code_tells_the_family_and_the_exit_code(kind: type[AntarestError]) -> None:
    family = kind.code.partition(".")[0]

    if issubclass(kind, ConfigError):
        assert family in {"config", "usage"}
        assert kind.exit_code == EXIT_USAGE
    elif issubclass(kind, DatabaseError):
        assert family == "db"
        assert kind.exit_code in {EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_LOCKED}
        assert kind.code.startswith("db.E4") == (kind.exit_code == EXIT_LOCKED)
    else:
        assert kind is AntarestError


def test_an_error_is_its_message_and_plain_data() -> None:
    hints = [Hint("Look again", "inv db.status"), Hint("Or think")]

    error = UsageError("no such flag", details={"flag": "--frob"}, hints=hints)

    assert str(error) == error.message == "no such flag"
    assert json.loads(json.dumps(error.to_dict())) == {
        "code": "usage.E101",
        "message": "no such flag",
        "details": {"flag": "--frob"},
        "state": NOTHING_CHANGED,
        "hints": [{"text": "Look again", "command": "inv db.status"}, {"text": "Or think", "command": ""}],
    }


def test_a_place_goes_before_the_message_and_the_details() -> None:
    error = InvalidValue("a whole number").at("server.port", Path("/srv/application.yaml"), found="abc")

    assert str(error) == error.message == "server.port: must be a whole number"
    assert error.details == {"file": "/srv/application.yaml", "found": "abc"}


def test_a_database_error_shows_the_database_first() -> None:
    error = DatabaseError("no", database="sqlite:////a.db", reason="why", state="Stopped at X.", hints=[])

    assert list(error.details.items()) == [("database", "sqlite:////a.db"), ("reason", "why")]
    assert error.state == "Stopped at X."
    assert DatabaseError("no", database="sqlite:////a.db").details == {"database": "sqlite:////a.db"}


def test_an_error_is_the_same_in_another_process() -> None:
    error = InvalidProject(Path("alembic.ini"), "it is empty", [Hint("Look", "inv db.history")])
    error.config = "other.yaml"

    received = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert type(received) is InvalidProject
    assert (received.to_dict(), received.path, str(received)) == (error.to_dict(), error.path, str(error))
