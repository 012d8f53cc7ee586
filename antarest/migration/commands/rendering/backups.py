"""Renders backups and restores as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ...backup.files import Backup
from ...backup.restore import Restored, RestorePlan
from ...errors.text import count, fields, position, shorten, size


def backup(backup: Backup) -> str:
    """Return the line about a backup that was made."""
    return fields([("backup", f"{backup.path} ({size(backup.size)})")])


def backups(found: Sequence[Backup]) -> str:
    """Return the list of the backups of a database, newest first."""
    if not found:
        return "no backups"
    lines = []
    for backup in found:
        held = backup.contents
        what = f"{position(held.revisions)}  {count(held.total, 'row'):>14}" if held else ""
        lines.append(f"{backup.time:%Y-%m-%d %H:%M:%S} UTC  {size(backup.size):>8}  {what}  {backup.path.name}")
    return "\n".join(lines)


def backups_json(found: Sequence[Backup]) -> str:
    """Return the backups of a database as JSON."""
    return json.dumps(
        [
            {
                "path": str(backup.path),
                "time": backup.time.isoformat(timespec="seconds"),
                "size": backup.size,
                "revisions": list(backup.contents.revisions) if backup.contents else None,
                "rows": backup.contents.total if backup.contents else None,
                "tables": dict(backup.contents.rows) if backup.contents else None,
            }
            for backup in found
        ],
        indent=2,
    )


def plan(plan: RestorePlan) -> str:
    """Return the plan of a restore: the backup, and the losses."""
    held, live = plan.held, plan.live
    known = f" (not in this checkout: {', '.join(plan.unknown)})" if plan.unknown else ""
    lines = [
        fields(
            [
                ("restore", f"{plan.backup.path} ({size(plan.backup.size)})"),
                ("made", f"{plan.backup.time:%Y-%m-%d %H:%M:%S} UTC"),
                ("revision", f"{position(held.revisions)}{known}, {count(held.total, 'row')}"),
            ]
        )
    ]
    if live is None:
        lines.append(fields([("replaces", f"a damaged database ({plan.damage}), which will be kept")]))
    elif plan.is_onto_nothing:
        lines.append(fields([("replaces", "nothing: the database is empty")]))
    else:
        lines.append(fields([("replaces", f"{position(live.revisions)}, {count(live.total, 'row')}")]))
        lines += [f"  {line}" for line in losses(plan)]
        lines.append("What was changed after the backup was made is lost, also where the numbers are equal.")
    return "\n".join(lines)


def losses(plan: RestorePlan) -> list[str]:
    """Return a line about each known loss of a restore."""
    lines = [f"goes back before {shorten(plan.newer)}"] if plan.newer else []
    for table, (now, then) in sorted(plan.losses.items()):
        lines.append(f"{count(now - then, 'row')} of {table}: {now:,} now, {then:,} in the backup")
    return lines


def restored(done: Restored) -> str:
    """Return the lines about the result of a restore."""
    lines = [f"restored: the database is at {position(done.revisions)}"]
    if done.kept:
        lines.append(fields([("kept", f"what it replaced: {done.kept}")]))
    if done.tidy:
        lines.append(f"  When nobody needs that any more:   {done.tidy}")
    return "\n".join(lines)
