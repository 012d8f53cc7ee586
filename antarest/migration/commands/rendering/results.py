"""Results of commands as text, for a terminal or a pipe, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors.revision import Revision
from ...errors.settings.commands import spell
from ...errors.settings.location import INSTALLED, KIND
from ...errors.settings.urls import ENGINES
from ...errors.text import count, fields, position, printable, shorten

if TYPE_CHECKING:
    from ...branches.checks import Check
    from ...branches.sync import SyncPlan
    from ...branches.writing import Written
    from ...database.record import RecordLine
    from ...run.request import RunOutcome
    from ...workflow.plan import Drop, RollbackPlan, UpgradePlan
    from ...workflow.reset import ResetPlan
    from ...workflow.status import HistoryEntry, Status

_MESSAGE_WIDTH = 72
_PLURALS = {"index": "indexes", "policy": "policies"}


def revision_line(revision: Revision) -> str:
    """Return the id and the message of a revision in one line."""
    message = (
        revision.message if len(revision.message) <= _MESSAGE_WIDTH else revision.message[: _MESSAGE_WIDTH - 3] + "..."
    )
    return printable(f"{revision.id}  {message}".rstrip())


def status(status: Status, project: str, source: str, head_message: str) -> str:
    """Return the text of `db.status`."""
    current = position(status.current) + (" (head)" if status.at_head and status.current else "")
    others = dict(status.recorded_elsewhere)
    if len(others) == 1 and not status.current:
        schema, recorded = others.popitem()
        current = f"{position(recorded)} in schema {schema}, which [antarest] version_table_schema does not name"
    elif others:
        current += f" in schema {status.schema}"
    head = position(status.heads) + (f"  {head_message}" if head_message else "")
    pending = f"{len(status.pending)}: {shorten(status.pending)}" if status.pending else "none"
    applied = f"{status.applied} of {status.applied + len(status.pending)} revisions"
    if status.unknown:  # Revisions before an unknown revision are not known, so counts would be wrong.
        pending, applied = "not known from here", ""
    return fields(
        [
            ("project", project),
            ("configuration", source),
            ("database", status.database),
            ("engine", status.engine),
            ("current", current),
            ("head" if len(status.heads) <= 1 else "heads", head),
            ("pending", pending),
            ("applied", applied),
            ("unknown", f"{', '.join(status.unknown)} (not in this {KIND})" if status.unknown else ""),
            ("", f"{status.elsewhere} {spell('Make the database match: inv db.sync')}" if status.elsewhere else ""),
            ("other project", f"{status.other_project} has it" if status.other_project else ""),
            ("edited", f"{shorten(status.edited)} (the file is not what was applied)" if status.edited else ""),
            ("deployed", status.deployed),
            ("missing rights", "; ".join(status.missing_grants)),
            ("rollback.sh", _rollback_script(status)),
            ("not shown", f"the schemas {shorten(shown)}" if (shown := _at(others)) else ""),
            *(("not checked", f"{what}: {why}") for what, why in status.not_checked.items()),
        ]
    )


def _at(schemas: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{schema} (at {position(ids)})" for schema, ids in schemas.items()]


def _rollback_script(status: Status) -> str:
    if status.rollback_script_in_sync is None:
        return ""
    if not status.rollback_script_in_sync:
        return spell("out of date: inv db.rollback-script")
    return status.rollback_script if INSTALLED else "in sync"  # In a checkout, users know the path.


def status_json(status: Status, project: str, source: str) -> str:
    """Return the JSON of `db.status`."""
    facts = {"project": project, "configuration": source, "at_head": status.at_head, **dataclasses.asdict(status)}
    return json.dumps(facts, indent=2)


def history(entries: Sequence[HistoryEntry], unknown: Sequence[str]) -> str:
    """Return the list of revisions, newest first. The applied and current revisions and the head are marked."""
    rows = [(f"? {id_}  (current; not in this checkout: inv db.sync)", "") for id_ in unknown]
    for entry in entries:
        marks = {"current": entry.is_current, "head": entry.is_head, "edited since": entry.is_edited}
        names = [name for name, is_it in marks.items() if is_it]
        mark = "*" if entry.is_applied else " "
        line = f"{mark} {revision_line(entry.revision)}" + (f"  ({', '.join(names)})" if names else "")
        rows.append((line, _applied(entry.record) if entry.record else ""))
    width = max((len(line) for line, applied in rows if applied), default=0)
    return "\n".join(f"{line:<{width}}  {applied}" if applied else line for line, applied in rows) or "no revisions"


def _applied(entry: RecordLine) -> str:
    """Return the time, the user and the version with which a revision was applied."""
    code = f"{entry.version} {(entry.git_commit or '')[:8]}".rstrip()
    how = {"stamp": "stamped ", "snapshot": "from the snapshot "}.get(entry.direction, "")
    return f"{how}{entry.at:%Y-%m-%d %H:%M} UTC  {entry.user}@{entry.host}  {code}"


def upgrade(plan: UpgradePlan) -> str:
    """Return the line that is printed before an upgrade, with the number of pending revisions."""
    way = f"{position(plan.current)} -> {plan.target} ({count(len(plan.pending), 'revision')})"
    return fields([("upgrade", way)])


def pending(revisions: Sequence[Revision]) -> str:
    """Return the revisions that an upgrade would run, and the losses that these revisions declare."""
    lines = []
    for revision in revisions:
        lines.append(f"  {revision_line(revision)}")
        lines += [f"      loses {item}: {reason}" for item, reason in revision.lossy.get("upgrade", {}).items()]
    return "\n".join(lines)


def plan(plan: RollbackPlan, origins: Mapping[str, str] | None = None) -> str:
    """Return the plan of a rollback: its revisions, and the data that the downgrade of each revision drops.

    Args:
        plan: the plan of the rollback.
        origins: the places of code that is not in the checkout. The key is the id of the revision.
    """
    lines = [f"rollback       {position(plan.current)} -> {plan.target} ({count(len(plan.steps), 'revision')})"]
    for step in plan.steps:
        lines.append(f"  {revision_line(step.revision)}")
        if origins and step.revision.id in origins:
            lines.append(f"      {origins[step.revision.id]}")
        lines += [f"      {_drop_line(drop)}" for drop in step.drops]
    if plan.losses:
        lines.append(f"This loses data: {'; '.join(f'{loss.amount} of {loss.item}' for loss in plan.losses)}.")
    elif not plan.unknown:
        lines.append("This loses no data.")
    if plan.unknown:
        lines.append(f"not known      what the downgrades drop: no scratch database ran them ({plan.unknown}).")
        lines.append("The run measures it before its commit, and loses nothing that you have not agreed to.")
    return "\n".join(lines)


def sync_plan(sync: SyncPlan) -> str:
    """Return the revisions to undo, with the origin of their code, and the revisions to apply afterwards."""
    lines = [
        f"edited         {id_}: its file is not what was applied; it stays as it is in the database"
        for id_ in sync.edited
    ]
    if sync.is_empty:
        return "\n".join([*lines, nothing_to_do(sync.current)])
    end = position(sync.end)
    lines.append(f"{'plan':<14} {position(sync.current)} -> {end}")
    if sync.undo.steps:
        elsewhere = {id_: found for id_, found in sync.found.items() if not found.is_here}
        lines.append(plan(sync.undo, {id_: f"found in {found.origin}" for id_, found in elsewhere.items()}))
    if sync.apply:
        lines.append(f"upgrade        {sync.undo.target} -> {end} ({count(len(sync.apply), 'revision')})")
        lines.append(pending(sync.apply))
    return "\n".join(lines)


def _drop_line(drop: Drop) -> str:
    loss = drop.loss
    kind = "column" if loss.unit == "value" else "table"
    amount = "empty" if loss.count == 0 else loss.amount
    if not drop.is_drop:
        return f"may lose some of {loss.item}, at most {amount}: {loss.reason}"
    text = f"drops {kind} {loss.item} ({amount})"
    if drop.moved_to:
        text = f"moves {kind} {loss.item} ({amount}) to {', '.join(drop.moved_to)}"
        return f"{text}; may lose some: {loss.reason}" if loss.declared and loss.count else text
    if loss.count == 0:
        return text
    return f"{text}: {loss.reason}" if loss.declared else f"{text}: NOT DECLARED by the revision, so it is refused"


def nothing_to_do(current: Sequence[str]) -> str:
    """Return the line for a database that is already at the target."""
    return f"nothing to do: the database is at {position(current)}"


def outcome(outcome: RunOutcome, verb: str) -> str:
    """Return the line about the result of a run."""
    if not outcome.steps and not outcome.is_prepared:
        return nothing_to_do(outcome.after)
    seconds = sum(step[2] for step in outcome.steps)
    done = f"{count(len(outcome.steps), 'revision')} in {seconds:.2f} s"
    return f"{verb}: {done}; the database is at {position(outcome.after)}"


def reset_plan(plan: ResetPlan) -> str:
    """Return the plan of a reset."""
    others = [count(number, kind, _PLURALS.get(kind, "")) for kind, number in sorted(plan.others.items())]
    held = ", ".join([f"{count(len(plan.rows), 'table')} with {plan.amount}", *others])
    with_them = [f"  {'dropped with its table':<28} {each}" for each in plan.along]
    lines = [f"reset          drops {held}, then migrates to head", *_row_counts(plan.filled), *with_them]
    return "\n".join(lines)


def seeded(rows: Mapping[str, int], seconds: float) -> str:
    """Return the lines about the rows that a seed has written."""
    total = f"seeded: {count(sum(rows.values()), 'row')} in {count(len(rows), 'table')} in {seconds:.2f} s"
    return "\n".join([*_row_counts(dict(sorted(rows.items()))), total])


def _row_counts(rows: Mapping[str, int | None]) -> list[str]:
    unknown = "an unknown number of rows"
    return [
        f"  {table:<28} {unknown if number is None else count(number, 'row'):>14}" for table, number in rows.items()
    ]


def written(written: Written, rollback_script: Path | None, diagram: Path | None = None) -> str:
    """Return the result of `db.revision`, and the changes that remain to be written by hand."""
    lines = []
    if written.path:
        lines.append(
            fields([("revision", near(written.path)), ("rollback", near(rollback_script)), ("diagram", near(diagram))])
        )
        lines += [f"detected       {each}" for each in written.detected]
        if written.unmodelled:
            tables = count(written.unmodelled, "table")
            lines.append(f"careful        {tables} without a model. Perhaps the models were not imported")
        lines += [f"careful        {each}, with its data. A rename is {_rename(each)}" for each in written.drops]
        lines += [
            f"careful        {each}. If the new type changes a value, the run fails, unless the file declares it"
            for each in written.retypes
        ]
        lines += [
            f"careful        {each}. A row without a value makes the run fail: use a server_default, or fill it first"
            for each in written.required
        ]
    elif not written.by_hand:
        lines.append("no changes: the models match the migrations, and nothing was written")
    if written.path and written.beside:
        others = shorten(written.beside)
        lines.append(f"careful        it may need what {others} made. If so, name {others} in depends_on of the file")
    lines += [f"by hand        {each}: Alembic does not see it" for each in written.by_hand]
    lines += [f"not compared   {ENGINES[engine]}: {why}" for engine, why in written.skipped.items()]
    if written.by_hand and not written.path:
        command = spell('inv db.revision --empty --message="..."')
        lines.append(f"nothing was written. Write it into an empty revision:   {command}")
    return "\n".join(lines)


def _rename(drop: str) -> str:
    return "op.rename_table(...)" if drop.startswith("drops table") else "op.alter_column(..., new_column_name=...)"


def near(path: Path | None) -> str:
    """Return the path as text. A path inside the working directory is relative to this directory."""
    if path is None:
        return ""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def checks(made: Sequence[Check]) -> str:
    """Return lines about the faults that `db.check` found, the checks without faults, and the skipped checks."""
    failures = [failure for check in made for failure in check.failures]
    lines = [f"{each.check}: {each.fact}\n    {spell(each.command)}" for each in failures]
    if not failures:
        lines = ["no findings", *(f"checked        {check.claim}" for check in made if not check.skipped)]
    return "\n".join([*lines, *(f"not checked    {each.claim}: {each.skipped}" for each in made if each.skipped)])
