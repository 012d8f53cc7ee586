"""The plan of `db.sync`, `db.switch`, `db.redo` and `db.rebase` as text."""

from ...branches.sync import SyncPlan
from ...errors.text import count, position
from . import results


def sync_plan(plan: SyncPlan) -> str:
    """The revisions to undo, with the place of their code, and the revisions to apply after them."""
    lines = [
        f"edited         {id_}: its file is not what was applied; it stays as it is in the database"
        for id_ in plan.edited
    ]
    if plan.is_empty:
        return "\n".join([*lines, results.nothing_to_do(plan.current)])
    end = position(plan.end)
    lines.append(f"{'plan':<14} {position(plan.current)} -> {end}")
    if plan.undo.steps:
        elsewhere = {id_: found for id_, found in plan.found.items() if not found.is_here}
        lines.append(results.plan(plan.undo, {id_: f"found in {found.origin}" for id_, found in elsewhere.items()}))
    if plan.apply:
        lines.append(f"upgrade        {plan.undo.target} -> {end} ({count(len(plan.apply), 'revision')})")
        lines.append(results.pending(plan.apply))
    return "\n".join(lines)
