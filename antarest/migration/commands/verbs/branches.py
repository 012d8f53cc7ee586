"""The verbs for work with git branches, such as `sync` and `rebase`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors.base import EXIT_DONE, EXIT_FAILED, Hint
from ...errors.facts.configuration import UsageError
from ...errors.rendering import next_command
from ...errors.text import position
from ...project import rollback_script
from ..boundary import CommandContext
from ..questions import agree
from ..rendering import results

if TYPE_CHECKING:
    # Code that moves a database needs Alembic, and other verbs should not wait for its import.
    from ...branches.follower import Follower
    from ...branches.sync import SyncPlan
    from ...workflow import MigrationWorkflow


def sync(context: CommandContext, *, allow_changed: bool = False, **flags: bool) -> int:
    """Make the database match this checkout: undo revisions that the checkout lacks, then apply pending revisions."""
    with _follower(context.workflow).syncing(allow_changed=allow_changed) as plan:
        _carry_out(context, plan, **flags)
    return EXIT_DONE


def switch(context: CommandContext, *, branch: str, allow_changed: bool = False, **flags: bool) -> int:
    """Switch to a branch, and make the database match it. If one of the two fails, neither is changed."""
    with _follower(context.workflow).switching(branch, allow_changed=allow_changed) as plan:
        if _carry_out(context, plan, **flags):
            context.say(("branch", branch))
    return EXIT_DONE


def redo(context: CommandContext, **flags: bool) -> int:
    """Undo the newest revision, and apply it again with the present code of its file."""
    with _follower(context.workflow).redoing() as plan:
        _carry_out(context, plan, **flags)
    return EXIT_DONE


def rebase(context: CommandContext, *, onto: str | None = None, **flags: bool) -> int:
    """Put the revisions of this branch on top of another head, in the files and in the database."""
    with _follower(context.workflow).rebasing(onto or "") as (plan, rebase):
        if not rebase.moved:
            context.introduce()
            context.print(f"nothing to do: no revision of this branch is to be put on top of {rebase.onto}")
            if not flags.get("dry_run"):  # A merge may have left a conflict in rollback.sh.
                _follow_up(context)
            return EXIT_DONE
        for id_, (before, now) in rebase.moved.items():
            context.print(f"{'rebase':<14} {id_} follows {now} now, not {position(before)}")
        if _carry_out(context, plan, **flags):
            _follow_up(context)
    return EXIT_DONE


def merge(context: CommandContext, *, message: str | None = None) -> int:
    """Write a revision that joins all heads, for revisions that cannot be put on top of another head."""
    from ...branches.writing import merge_heads
    from .development import follow_snapshots

    heads = context.project.history.heads
    if len(heads) < 2:  # noqa: PLR2004 - a merge joins two or more
        context.print(f"nothing to do: the history has one head, {position(heads)}")
        return EXIT_DONE
    path = merge_heads(context.project, message or f"merge {' and '.join(heads)}")
    context.say(("revision", str(path)), ("joins", ", ".join(heads)))
    follow_snapshots(context)
    return EXIT_DONE


def amend(context: CommandContext, *, discard_edits: bool = False, **flags: bool) -> int:
    """Write the newest revision again from the models, with the same id and message.

    If the revision is applied, undo it first.
    """
    from ...branches.writing import write_again
    from ...branches.writing.template import require_template
    from ...project.revision_store import keeping
    from .development import follow, follow_snapshots

    with _follower(context.workflow).amending(discard_edits=discard_edits) as (plan, revision):
        require_template(context.project)  # Without it, the revision would be undone and not written again.
        if not plan.is_empty or flags.get("dry_run"):
            _carry_out(context, plan, **flags)
        if flags.get("dry_run"):
            return EXIT_DONE
        keeping(context.project.repository)(revision.id, revision.path.read_bytes())
        written = write_again(context.project, revision, context.db, context.progress.note)
    diagram = follow(context.project) if written.path else None
    context.report(results.written(written, context.project.rollback_script, diagram))
    if written.path:
        follow_snapshots(context)
    if written.path and not plan.is_empty:
        context.report(next_command("Apply it again", "inv db.upgrade"))
    return EXIT_FAILED if written.by_hand and not written.path else EXIT_DONE


def install_hooks(context: CommandContext) -> int:
    """Write git hooks that print one line if the database and the checkout differ."""
    for path in _follower(context.workflow).install_hooks():
        context.report(str(path))
    return EXIT_DONE


def refuse_with_amend(**given: object) -> None:
    """Refuse the flags of a new revision together with `--amend`, because an amended revision keeps its message.

    Raises:
        UsageError: one of the flags was given.
    """
    if name := next((name for name, value in given.items() if value), ""):
        hint = Hint("Keep its id and message", "inv db.revision --amend")
        raise UsageError(f"--amend and --{name} cannot be given together", hint)


def _carry_out(
    context: CommandContext, plan: SyncPlan, *, dry_run: bool = False, yes: bool = False, allow_data_loss: bool = False
) -> bool:
    """Print a plan, ask for consent, and run the plan.

    Returns:
        Whether the plan was run.
    """
    workflow = context.workflow
    context.introduce()
    context.print(results.sync_plan(plan))
    if dry_run or (plan.is_empty and not plan.file_change):
        return False
    answered = yes or not plan.undo.steps
    goal = position(plan.end)
    agreement = agree(workflow, plan.undo, plan.command, yes=answered, everything=allow_data_loss, goal=goal)
    outcome = _follower(workflow).run(plan, agreement)
    if outcome.steps:
        context.report(results.outcome(outcome, "done"))
    return True


def _follow_up(context: CommandContext) -> None:
    """Update `rollback.sh`, the diagram and the snapshots after a change of revision files."""
    from ...project.project import Project
    from .development import follow, follow_snapshots

    project = Project.load(context.project.ini)
    if rollback_script.sync(project):
        context.say(("rollback", str(project.rollback_script)))
    if diagram := follow(project):
        context.say(("diagram", str(diagram)))
    follow_snapshots(context)


def _follower(workflow: MigrationWorkflow) -> Follower:
    from ...branches.follower import Follower

    return Follower(workflow)
