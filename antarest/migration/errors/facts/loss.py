"""Codes `db.E5xx`: data that would be lost, and what refers to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..base import Hint, MigrationError
from ..text import count, shorten

if TYPE_CHECKING:
    from ..loss import Loss, Missing

_SHOWN = 2  # An error has at most nine lines, and one of them may name the backup.


class LossNotDeclared(MigrationError):
    """The run would lose data that its revisions do not declare; it was rolled back.

    Why: a revision drops or empties something that has rows, and does not say so in `lossy` or `moves`. It was found
    before the commit, so every row is still there.

    To do: mend the revision so that it keeps the data; where the loss is meant, declare it in the file as the message
    shows, so that whoever reviews it sees it.
    """

    code = "db.E501"

    def __init__(self, losses: Sequence[Loss], database: str, state: str) -> None:
        self.losses = tuple(losses)
        first = losses[0]
        super().__init__(
            f"the {first.direction} of revision {first.revision} would lose data that it does not declare",
            details={"database": database, **_loss_details(losses)},
            state=state,
            hints=[
                Hint("Mend the revision so that it keeps the data, or declare the loss in its file", first.declaration),
            ],
        )


class LossNotConfirmed(MigrationError):
    """A rollback would lose data, declared by its revisions, and nobody has agreed to it.

    Why: the way back drops what the way up created, and rows were written there since.

    To do: read the plan (`inv db.rollback --dry-run`), save what is needed, and agree with `--allow-data-loss`, or with
    a yes on a terminal. `--yes` alone never agrees to a loss.
    """

    code = "db.E502"

    def __init__(self, losses: Sequence[Loss], database: str, state: str, *, command: str = "inv db.rollback") -> None:
        self.losses = tuple(losses)
        super().__init__(
            "the rollback would lose data, and nobody agreed to it",
            details={"database": database, **_loss_details(losses)},
            state=state,
            hints=[
                Hint("See the plan", f"{command} --dry-run"),
                Hint("Agree to the loss", f"{command} --allow-data-loss"),
            ],
        )


class Irreversible(MigrationError):
    """A revision on the way back says that it cannot be undone.

    Why: its author declared `irreversible = ...`: what it removed cannot be computed again.

    To do: go back as far as to it, or restore a backup that was taken before it.
    """

    code = "db.E503"

    def __init__(self, revision: str, reason: str, *, is_current: bool) -> None:
        self.revision, self.reason = revision, reason
        reachable = Hint("A rollback can go as far as to it", f"inv db.rollback --to={revision}")
        super().__init__(
            f"revision {revision} is irreversible: {reason}",
            hints=[Hint("See where the database is", "inv db.status") if is_current else reachable],
        )


class ForeignKeysViolated(MigrationError):
    """After the run, rows would refer to rows that do not exist.

    Why: a revision deleted rows that others refer to, or moved some and not those that point at them. SQLite does not
    enforce foreign keys while tables are rebuilt, so they are checked before the commit.

    To do: mend the revision: move or delete the referring rows first. The message names table and target.
    """

    code = "db.E504"

    def __init__(self, violations: Sequence[str], database: str, state: str) -> None:
        self.violations = tuple(violations)
        super().__init__(
            f"after the run, rows of {count(len(violations), 'foreign key')} would point nowhere",
            details={"database": database, "where": shorten(violations)},
            state=state,
            hints=[Hint("Mend the revision, then look at what is pending", "inv db.status")],
        )


class RebuildLoses(MigrationError):
    """A rebuild on SQLite would lose a trigger, an index, a check or the like, and the revision does not say so.

    Why: SQLite changes a table by building it anew, and Alembic copies only what it reflects; the rest would be gone
    without a word.

    To do: write what the message shows into the revision, which makes it again; or declare in `lossy` that it is meant.
    """

    code = "db.E505"

    def __init__(self, revision: str, direction: str, missing: Sequence[Missing], database: str, state: str) -> None:
        self.revision, self.missing = revision, tuple(missing)
        first = missing[0]
        super().__init__(
            f"the {direction} of revision {revision} rebuilds a table without what belongs to it",
            details={"database": database, "loses": shorten([each.what for each in missing])},
            state=state,
            hints=[
                Hint("Keep it, in the revision", first.again),
                Hint("Or declare its loss there", f'lossy = {{"{direction}": {{"{first.item}": "why"}}}}'),
            ],
        )


class InTheWay(MigrationError):
    """A view or trigger refers to a table that SQLite rebuilds, which is gone for a moment: the rebuild fails.

    Why: SQLite checks every view and trigger when a table is renamed, and the old table is dropped by then.

    To do: drop it before the rebuild and make it again after it; the message has both statements.
    """

    code = "db.E506"

    def __init__(self, revision: str, direction: str, object_: Missing, reason: str, database: str, state: str) -> None:
        self.revision = revision
        kind, name = object_.item.split(":", 1)
        super().__init__(
            f"the {direction} of revision {revision} rebuilds a table that {object_.what} refers to",
            details={"database": database, "reason": reason},
            state=state,
            hints=[
                Hint("Before the rebuild, write in the revision", f"op.execute({f'DROP {kind.upper()} {name}'!r})"),
                Hint("And after it", object_.again),
            ],
        )


def _loss_details(losses: Sequence[Loss]) -> dict[str, str]:
    details = {"loses" if index == 0 else f"loses {index + 1}": str(loss) for index, loss in enumerate(losses[:_SHOWN])}
    if len(losses) > _SHOWN:
        details["and"] = f"{len(losses) - _SHOWN} more"
    return details
