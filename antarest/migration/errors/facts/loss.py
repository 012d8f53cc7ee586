"""Codes `db.E5xx`: a run would lose data, or break references to it."""

from __future__ import annotations

from collections.abc import Sequence

from ..base import SEE_STATUS, Hint, MigrationError
from ..loss import Agreement, Loss, Missing, declaration
from ..revision import Direction
from ..text import count, numbered, shorten

_SHOWN = 2  # An error has at most nine lines, and one of these lines can name the backup.


def _fix(revision: str) -> str:
    return f"Fix {revision or 'the revision'} so that it keeps the data, or declare the loss in its file"


def _all(losses: Sequence[Loss]) -> dict[str, str]:
    """Return details that name all losses, because each loss has to be declared. More than two share one line."""
    if len(losses) <= _SHOWN:
        return numbered("loses", losses, _SHOWN)
    return {"loses": "; ".join(f"{loss.item}: {loss.amount}" for loss in losses)}


class LossNotDeclared(MigrationError, code="db.E501"):
    """The run would lose data that its revisions do not declare, so it was rolled back.

    Why: a revision drops or empties a table or a column that has data, and does not declare this in `lossy` or `moves`.
    The check takes place before the commit, so every row is still there.

    To do: fix the revision so that it keeps the data. If the loss is intended, declare it in the file as the message
    shows, so that reviewers see it.
    """

    def __init__(self, losses: Sequence[Loss], database: str, state: str) -> None:
        self.losses = tuple(losses)
        first = losses[0]
        found = {
            each.revision: declaration(each.direction, [loss.item for loss in losses if loss.revision == each.revision])
            for each in losses
        }
        super().__init__(
            f"the {first.direction} of revision {first.revision} would lose data that it does not declare",
            *(Hint(_fix(revision if len(found) > 1 else ""), line) for revision, line in found.items()),
            details={"database": database, **_all(losses)},
            state=state,
        )


class LossNotConfirmed(MigrationError, code="db.E502"):
    """A rollback would lose data that its revisions declare, and nobody has agreed to it.

    Why: the downgrade drops a table or column that the upgrade created, and since then rows or values were written into
    it. If you agreed to a plan, you agreed to its numbers only. If the rollback would now lose more rows or values than
    the plan showed, the message names both numbers.

    To do: read the plan (`inv db.rollback --dry-run`), and save the data that matters. Then agree with
    `--allow-data-loss`, or with a yes on a terminal. `--yes` alone never agrees to a loss.
    """

    def __init__(
        self,
        losses: Sequence[Loss],
        database: str,
        state: str,
        *,
        command: str = "inv db.rollback",
        agreement: Agreement | None = None,
    ) -> None:
        self.losses = tuple(losses)
        shown = [(loss, agreement.shown(loss) if agreement else "") for loss in losses]
        texts = [f"{loss}; the plan showed {before}" if before else str(loss) for loss, before in shown]
        more = "the rollback would lose more than its plan showed"
        super().__init__(
            more if any(before for _, before in shown) else "the rollback would lose data, and nobody agreed to it",
            Hint("See the plan", f"{command} --dry-run"),
            Hint("Agree to the loss", f"{command} --allow-data-loss"),
            details={"database": database, **numbered("loses", texts, _SHOWN)},
            state=state,
        )


class Irreversible(MigrationError, code="db.E503"):
    """A revision to roll back declares that it cannot be undone.

    Why: the author of the revision declared `irreversible = ...`, because the removed data cannot be computed again.

    To do: roll back to that revision and no further, or restore a backup that is older than the revision.
    """

    def __init__(self, revision: str, reason: str, *, is_current: bool) -> None:
        self.revision, self.reason = revision, reason
        reachable = Hint("A rollback can go as far as to it", f"inv db.rollback --to={revision}")
        super().__init__(f"revision {revision} is irreversible: {reason}", SEE_STATUS if is_current else reachable)


class ForeignKeysViolated(MigrationError, code="db.E504"):
    """After the run, rows would refer to rows that do not exist.

    Why: a revision deleted or moved rows, but not the rows that refer to them. SQLite does not enforce foreign keys
    while tables are rebuilt, so the run checks the foreign keys before the commit.

    To do: fix the revision: move or delete the referring rows first. The message names the table of the referring rows,
    and the table to which they refer.
    """

    def __init__(self, violations: Sequence[str], database: str, state: str) -> None:
        self.violations = tuple(violations)
        super().__init__(
            f"after the run, rows of {count(len(violations), 'foreign key')} would point nowhere",
            Hint("Fix the revision, then look at what is pending", "inv db.status"),
            details={"database": database, "where": shorten(violations)},
            state=state,
        )


class RebuildLoses(MigrationError, code="db.E505"):
    """A rebuild on SQLite would lose a trigger, an index or a similar object, and no revision declares this loss.

    Why: to change a table on SQLite, Alembic creates the table again. Alembic copies only what it can read from the
    database. Without this error, the trigger, index or check would be lost without a message.

    To do: to keep the object, add the line that the message shows to the revision. Otherwise declare the loss in
    `lossy`.
    """

    def __init__(
        self, revision: str, direction: Direction, missing: Sequence[Missing], database: str, state: str
    ) -> None:
        self.missing = tuple(missing)
        it, its = ("it", "its") if len(missing) == 1 else ("them", "their")
        super().__init__(
            f"the {direction} of revision {revision} rebuilds a table without what belongs to it",
            Hint(f"Keep {it}, in the revision", "; ".join(each.again for each in missing)),
            Hint(f"Or declare {its} loss there", declaration(direction, [each.item for each in missing])),
            details={"database": database, "loses": ", ".join(each.what for each in missing)},
            state=state,
        )


def drop_and_make_again(object_: Missing, what: str) -> tuple[Hint, Hint]:
    """Return the lines for the revision file that drop an object before a change and create it again afterwards.

    Args:
        object_: the view or the trigger.
        what: the change that the object prevents, such as "the rebuild".
    """
    kind, name = object_.item.split(":", 1)
    return (
        Hint(f"Before {what}, write in the revision", f"op.execute({f'DROP {kind.upper()} {name}'!r})"),
        Hint("And after it", object_.again),
    )


class InTheWay(MigrationError, code="db.E506"):
    """A table cannot be rebuilt on SQLite, because a view or trigger refers to it.

    Why: SQLite checks every view and trigger when a table is renamed, and at that moment the old table does not exist.

    To do: drop the view or trigger before the rebuild, and create it again afterwards. The message has both statements.
    """

    def __init__(self, revision: str, direction: str, object_: Missing, reason: str, database: str, state: str) -> None:
        super().__init__(
            f"the {direction} of revision {revision} rebuilds a table that {object_.what} refers to",
            *drop_and_make_again(object_, "the rebuild"),
            details={"database": database, "reason": reason},
            state=state,
        )


class RowsHidden(MigrationError, code="db.E510"):
    """A revision writes to a table in which row security can hide rows, and the revision does not declare this.

    Why: row security is active for the role (`FORCE ROW LEVEL SECURITY` binds the owner too). Therefore UPDATE and
    DELETE reach only the rows that a policy shows. PostgreSQL leaves the other rows as they were, without a message.

    To do: migrate as a role with BYPASSRLS (`db.admin_url`), or switch FORCE off and on again in the revision. If the
    revision should change only the rows that the policies show, write `row_security = "why"` in its file.
    """

    def __init__(self, revision: str, direction: str, tables: Sequence[str], database: str, state: str) -> None:
        self.revision = revision
        name = tables[0]
        around = f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY"
        super().__init__(
            f"row security may hide rows of {shorten(tables)} from the {direction} of revision {revision}",
            Hint("To reach all rows, write in the revision (and FORCE after it)", f"op.execute({around!r})"),
            Hint("If it means only the rows that the policies show, declare it there", 'row_security = "why"'),
            details={"database": database},
            state=state,
        )
