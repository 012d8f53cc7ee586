"""Every error of the project, as it is printed."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import antarest
from antarest.migration.database.grants import GrantRefused
from antarest.migration.errors.base import (
    EXIT_FAILED,
    EXIT_LOCKED,
    EXIT_NOT_PROVED,
    EXIT_UNREACHABLE,
    EXIT_UNREPORTED,
    EXIT_USAGE,
    NOTHING_CHANGED,
    AntarestError,
    MigrationError,
)
from antarest.migration.errors.facts.configuration import ConfigError
from antarest.migration.errors.facts.database import DatabaseError
from antarest.migration.errors.facts.loss import Irreversible, LossNotConfirmed
from antarest.migration.errors.facts.refusal import CheckFailed, Unrecorded
from antarest.migration.errors.facts.run import (
    RunInterrupted,
    RunTerminated,
    UnexpectedFailure,
)
from antarest.migration.errors.rendering import render_error, render_error_json
from antarest.web.errors import launching
from tests.support.checks.errors import DATABASE, EXAMPLES, FROM_LIBPQ, LOSSES
from tests.support.checks.refusals import MARK, exists, parse

FAMILIES = {AntarestError, ConfigError, DatabaseError, MigrationError, launching.AppError}  # never raised themselves


def kinds(family: type[AntarestError] = AntarestError) -> Iterator[type[AntarestError]]:
    """Return every error class of the project, in any module."""
    yield family
    for kind in family.__subclasses__():
        yield from kinds(kind)


def test_each_error_has_an_example_here() -> None:
    for module in pkgutil.walk_packages(antarest.__path__, "antarest."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    raised = {kind for kind in kinds() if kind.__module__.startswith("antarest.")} - FAMILIES

    assert raised == {type(error) for error in EXAMPLES}


def test_each_error_has_a_code_of_its_own() -> None:
    classes: set[type[AntarestError]] = {type(error) for error in EXAMPLES} | FAMILIES
    codes = [kind.code for kind in classes]

    # The family of the errors about moving a database has no code: it never appears alone.
    assert len(set(codes)) == len(codes) - 1
    assert MigrationError.code == AntarestError.code


def test_each_error_fits_the_shape(subtests: pytest.Subtests) -> None:
    """Fact, values, state, and a next step that exists: all in at most nine lines."""
    for error in EXAMPLES:
        with subtests.test(type(error).__name__):
            shown = parse(render_error(error))

            assert (shown.code, shown.fact, shown.state) == (error.code, error.message, error.state)
            assert shown.details == error.details


def test_an_error_of_a_run_has_room_to_name_the_backup() -> None:
    of_a_run = [each for each in EXAMPLES if each.code.startswith(("db.E5", "db.E6"))]
    full = [each for each in of_a_run if len(render_error(each).splitlines()) == 9]

    assert len(of_a_run) > 10
    assert [each for each in full if not isinstance(each, UnexpectedFailure)] == []


@pytest.mark.parametrize("error", FROM_LIBPQ, ids=lambda error: type(error).__name__)
def test_an_error_shows_no_password(error: AntarestError) -> None:
    assert error.details["database"].startswith("postgresql://antarest:***@db1")
    assert MARK not in render_error(error) + render_error_json(error) + str(error) + repr(error)


def test_a_code_tells_what_an_error_is_about(subtests: pytest.Subtests) -> None:
    """The code shows the family of the error, and whether it can help to try again."""
    for error in EXAMPLES:
        with subtests.test(type(error).__name__):
            family, _, number = error.code.partition(".E")

            if isinstance(error, ConfigError):
                assert family in {"config", "usage"}
                assert error.exit_code == EXIT_USAGE
            elif isinstance(error, launching.AppError):
                assert (family, number[0] in "145") == ("app", True)
                assert error.exit_code in {EXIT_FAILED, EXIT_USAGE}
            elif isinstance(error, MigrationError):
                assert (family, number[0] in "256789") == ("db", True)
                stopped = isinstance(error, RunInterrupted | RunTerminated)
                assert stopped or error.exit_code in {EXIT_FAILED, EXIT_USAGE, EXIT_UNREPORTED, EXIT_NOT_PROVED}
            else:
                assert (family, number[0] in "34") == ("db", True)
                assert (number[0] == "4") == (error.exit_code == EXIT_LOCKED)
                assert error.exit_code != EXIT_UNREACHABLE or number in {"301", "302", "309", "390"}


def test_what_is_refused_before_it_begins_has_changed_nothing() -> None:
    refused = [each for each in EXAMPLES if each.code.startswith(("db.E2", "db.E3", "db.E7"))]

    assert {type(each) for each in refused if each.state != NOTHING_CHANGED} == {GrantRefused, Unrecorded}


def test_a_command_that_does_not_exist_is_noticed() -> None:
    """The other tests rely on this."""
    for command in ("inv db.nope", "inv db.status --nope", "alembic nope", "python -m antarest.migration nope", "rm x"):
        assert not exists(command), command
    for command in ("inv db.rollback --to=x --dry-run", "alembic merge heads -m 'x'", "db.url: sqlite:///antarest.db"):
        assert exists(command), command


def test_an_irreversible_revision_names_a_way_only_where_there_is_one() -> None:
    below, here = (Irreversible("abc", "why", is_current=is_current) for is_current in (False, True))

    assert [hint.command for hint in below.hints] == ["inv db.rollback --to=abc"]
    assert [hint.command for hint in here.hints] == ["inv db.status"]


def test_a_loss_that_nobody_agreed_to_names_the_same_rollback_again() -> None:
    error = LossNotConfirmed(LOSSES[:1], DATABASE, "", command="inv db.rollback --to=base")

    assert [hint.command for hint in error.hints] == [
        "inv db.rollback --to=base --dry-run",
        "inv db.rollback --to=base --allow-data-loss",
    ]


def test_one_and_many_are_told_apart() -> None:
    assert CheckFailed(1).message == "db.check has 1 finding, see above"
    assert CheckFailed(2).message == "db.check has 2 findings, see above"
