from __future__ import annotations

import json
import pickle
from pathlib import Path

from antarest.migration.errors.base import NOTHING_CHANGED, Hint
from antarest.migration.errors.facts.configuration import InvalidValue, UsageError
from antarest.migration.errors.facts.database import DatabaseError
from antarest.migration.errors.facts.project import InvalidProject


def test_an_error_is_its_message_and_plain_data() -> None:
    hints = [Hint("Look again", "inv db.status"), Hint("Or think")]

    error = UsageError("no such flag", *hints, details={"flag": "--frob", "file": ""})

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
    error = DatabaseError("no", database="sqlite:////a.db", reason="why", state="Stopped at X.")

    assert list(error.details.items()) == [("database", "sqlite:////a.db"), ("reason", "why")]
    assert error.state == "Stopped at X."
    assert DatabaseError("no", database="sqlite:////a.db").details == {"database": "sqlite:////a.db"}


def test_an_error_is_the_same_in_another_process() -> None:
    error = InvalidProject(Path("alembic.ini"), "it is empty", Hint("Look", "inv db.history"))
    error.state = "Stopped at X."

    received = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert type(received) is InvalidProject
    assert (received.to_dict(), received.path, str(received)) == (error.to_dict(), error.path, str(error))
