"""The explanations of errors for users of a desktop."""

from __future__ import annotations

import pytest

from antarest.desktop.errors import InstanceLockUnusable, InstanceSilent
from antarest.desktop.failures.explanations import explain
from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.facts.configuration import ConfigError, UsageError
from antarest.migration.errors.facts.refusal import CheckFailed
from antarest.web.errors.answering import RequestError
from tests.support.checks.errors import EXAMPLES

TERMINAL = ("inv ", "alembic", "revision", "rollback", "checkout", "git ")
# No user of the desktop reads these: they end the program before there is a page, or answer one request.
ELSEWHERE = (ConfigError, UsageError, RequestError, InstanceLockUnusable, InstanceSilent, CheckFailed)
SHOWN = [error for error in EXAMPLES if not isinstance(error, ELSEWHERE)]


def test_each_error_has_words_without_terminals(subtests: pytest.Subtests) -> None:
    for error in SHOWN:
        with subtests.test(type(error).__name__):
            explanation = explain(error)
            text = " ".join([explanation.title, *explanation.what, *explanation.steps, explanation.safe])

            assert explanation.title
            assert explanation.what
            assert len(explanation.steps) >= 2
            assert not [word for word in TERMINAL if word in text and word not in error.message]


def kinds(*names: str) -> list[AntarestError]:
    found = [error for error in EXAMPLES if type(error).__name__ in names]
    assert {type(error).__name__ for error in found} == set(names)
    return found


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (("UnknownRevision", "SchemaAhead"), "This database belongs to a newer AntaREST"),
        (("LossNotDeclared",), "The upgrade was stopped, because it would have lost data"),
        (("RevisionFailed", "RunFailed", "ForeignKeysViolated"), "The database could not be upgraded"),
        (("DatabaseLocked",), "Another program is using the database"),
        (("DatabaseReadOnly",), "The database cannot be written"),
        (("NotADatabase",), "The file is not a database, or is damaged"),
        (("DatabaseUnreachable", "TooManyConnections"), "The database server does not answer"),
        (("DatabaseMissing", "AccessRefused", "RoleMissing"), "The database cannot be opened"),
        (("BackupFailed",), "The database could not be backed up"),
        (("MultipleHeads", "InvalidRevisionFile"), "This installation of AntaREST is damaged"),
        (("UnexpectedFailure",), "AntaREST could not open the database"),
    ],
)
def test_the_words_fit_the_error(names: tuple[str, ...], title: str) -> None:
    assert {explain(error).title for error in kinds(*names)} == {title}


def test_a_loss_is_named() -> None:
    (error,) = kinds("LossNotDeclared")

    assert "1,204 rows of study.column_0" in explain(error).what[0]


def test_the_newest_backup_is_named_for_a_damaged_file_which_nobody_calls_safe() -> None:
    for error in kinds("NotADatabase", "BackupFailed"):
        explanation = explain(error, "/srv/backups/newest.sqlite")

        assert "/srv/backups/newest.sqlite" in explanation.steps[1]
        assert "db.restore" in explanation.steps[1]
        assert "safe" not in explanation.safe


def test_nothing_is_called_untouched_that_may_have_moved() -> None:
    (error,) = kinds("NotRecorded")

    assert "was not changed" not in explain(error).safe
