"""The commands about branches: the database follows the checkout. See `cli`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...branches.follower import Follower
from ...errors.base import EXIT_DONE, EXIT_FAILED, Hint
from ...errors.facts.configuration import UsageError
from ...errors.rendering import next_command
from ...errors.text import position
from ...project import rollback_script
from ..questions import agree
from ..rendering import results

if TYPE_CHECKING:
    from ...branches.sync import SyncPlan
    from ..boundary import Session


def sync(session: Session, *, allow_changed: bool = False, **flags: bool) -> int:
    """Make the database match this checkout: undo what it does not have, then apply what is pending."""
    with Follower(session.workflow).syncing(allow_changed=allow_changed) as plan:
        _carry_out(session, plan, **flags)
    return EXIT_DONE


def switch(session: Session, *, branch: str, allow_changed: bool = False, **flags: bool) -> int:
    """Switch to a branch and take the database along: both, or neither."""
    with Follower(session.workflow).switching(branch, allow_changed=allow_changed) as plan:
        if _carry_out(session, plan, **flags):
            session.say(("branch", branch))
    return EXIT_DONE


def redo(session: Session, **flags: bool) -> int:
    """Undo the newest revision and apply it again, as its file is now."""
    with Follower(session.workflow).redoing() as plan:
        _carry_out(session, plan, **flags)
    return EXIT_DONE


def rebase(session: Session, *, onto: str | None = None, **flags: bool) -> int:
    """Put the revisions of this branch on top of another head, and take the database along."""
    with Follower(session.workflow).rebasing(onto or "") as (plan, rebase):
        if not rebase.moved:
            session.introduce()
            session.print(f"nothing to do: no revision of this branch is to be put on top of {rebase.onto}")
            if not flags.get("dry_run"):  # A merge may have left a conflict in it all the same.
                _follow_up(session)
            return EXIT_DONE
        for id_, (before, now) in rebase.moved.items():
            session.print(f"{'rebase':<14} {id_} follows {now} now, not {position(before)}")
        if _carry_out(session, plan, **flags):
            _follow_up(session)
    return EXIT_DONE


def merge(session: Session, *, message: str | None = None) -> int:
    """Write a revision that joins all heads, where those of this branch cannot be put on top."""
    from ...branches.writing import merge_heads

    heads = session.project.history.heads
    if len(heads) < 2:  # noqa: PLR2004 - what there is to join
        session.print(f"nothing to do: the history has one head, {position(heads)}")
        return EXIT_DONE
    path = merge_heads(session.project, message or f"merge {' and '.join(heads)}")
    session.say(("revision", str(path)), ("joins", ", ".join(heads)))
    return EXIT_DONE


def amend(session: Session, *, discard_edits: bool = False, **flags: bool) -> int:
    """Write the newest revision anew from the models, with its id and message; undo it first where it is applied."""
    from ...branches.writing import write_again
    from .development import follow

    follower = Follower(session.workflow)
    with follower.amending(discard_edits=discard_edits) as (plan, revision):
        if not plan.is_empty or flags.get("dry_run"):
            _carry_out(session, plan, **flags)
        if flags.get("dry_run"):
            return EXIT_DONE
        follower.keep(revision)
        written = write_again(session.project, revision)
    diagram = follow(session.project) if written.path else None
    session.print(results.written(written, session.project.rollback_script, diagram))
    if written.path and not plan.is_empty:
        session.print(next_command("Apply it again", "inv db.upgrade"))
    return EXIT_FAILED if written.by_hand and not written.path else EXIT_DONE


def install_hooks(session: Session) -> int:
    """Write git hooks that say in one line when the database and the checkout differ."""
    for path in Follower(session.workflow).install_hooks():
        session.print(str(path))
    return EXIT_DONE


def refuse_message_with_amend(message: str | None, *, empty: bool) -> None:
    """An amended revision keeps what it is for.

    Raises:
        UsageError: another message, or an empty revision, was asked for.
    """
    if message or empty:
        hint = Hint("Keep its id and message", "inv db.revision --amend")
        raise UsageError(f"--amend and {'--message' if message else '--empty'} cannot be given together", hints=[hint])


def _carry_out(
    session: Session, plan: SyncPlan, *, dry_run: bool = False, yes: bool = False, allow_data_loss: bool = False
) -> bool:
    """Show a plan, ask, and carry it out.

    Returns:
        Whether it was carried out.
    """
    from ..rendering.sync import sync_plan

    workflow = session.workflow
    session.introduce()
    session.print(sync_plan(plan))
    if dry_run or (plan.is_empty and not plan.file_change):
        return False
    answered = yes or not plan.undo.steps
    goal = position(plan.end)
    agreement = agree(workflow, plan.undo, plan.command, yes=answered, everything=allow_data_loss, goal=goal)
    move = Follower(workflow).run(plan, agreement)
    if move.steps:
        session.print(results.move(move, "done"))
    return True


def _follow_up(session: Session) -> None:
    """Files have changed: bring `rollback.sh` and the diagram in line with what they are now."""
    from ...project.project import Project
    from .development import follow

    project = Project.load(session.project.ini)
    if rollback_script.sync(project):
        session.say(("rollback", str(project.rollback_script)))
    if diagram := follow(project):
        session.say(("diagram", str(diagram)))
