"""The verbs that write, check and prove revision files."""

from __future__ import annotations

from typing import Any

from ...errors.base import EXIT_DONE, EXIT_FAILED, AntarestError, Hint
from ...errors.facts.configuration import UsageError
from ...errors.facts.refusal import CheckFailed
from ...project import rollback_script
from ..boundary import CommandContext
from ..rendering import results
from . import branches, development


def revision(
    context: CommandContext,
    *,
    message: str | None = None,
    empty: bool = False,
    amend: bool = False,
    discard_edits: bool = False,
    head: str | None = None,
    **flags: bool,
) -> int:
    """Write a revision from the difference between the models and the migrations."""
    # Imported here, as below: a command that only reads the database does not wait for Alembic.
    from ...scratch.servers import sharing_servers

    if amend:
        branches.refuse_with_amend(message=message, empty=empty, head=head)
        with sharing_servers():
            return branches.amend(context, discard_edits=discard_edits, **flags)
    if not message:
        example = 'inv db.revision --message="add study horizon"'
        raise UsageError("a revision needs a message", Hint("Say what it is for", example))
    from ...branches.writing import write_revision

    with sharing_servers():
        note = context.progress.note
        written = write_revision(context.project, message, empty=empty, head=head or "", db=context.db, note=note)
        diagram = development.follow(context.project) if written.path else None
        script = context.project.rollback_script if rollback_script.has_target(context.project) else None
        context.report(results.written(written, script, diagram))
        if written.path:
            development.follow_snapshots(context)
    return EXIT_FAILED if written.by_hand and not written.path else EXIT_DONE


def check(context: CommandContext) -> int:
    """Check the project, for CI and hooks: one head, rollback.sh, the diagram, models equal to the migrations."""
    from ...branches import checks

    try:
        status = context.workflow.status()
    except AntarestError:  # A build server has no database to ask.
        status = None
    made = checks.check(context.project, status, context.db, context.progress.note)
    context.print(results.checks(made))
    if number := sum(len(each.failures) for each in made):
        raise CheckFailed(number)
    return EXIT_DONE


def verify(context: CommandContext, **options: Any) -> int:
    """Prove every revision on both engines, up and down, with rows in the tables; on any Alembic project."""
    from .verify import verify

    return verify(context, **options)


def baseline(context: CommandContext, **options: Any) -> int:
    """Accept the faults that an old history has on the day of adoption. The checks then fail only for new faults."""
    from .verify import baseline

    return baseline(context, **options)


def write_rollback_script(context: CommandContext) -> int:
    """Write rollback.sh again after revision files were renamed, deleted or edited, and print its path."""
    path = context.project.rollback_script
    if path is None or not rollback_script.is_in_sync(context.project):
        path = rollback_script.write(context.project)
    target, head = rollback_script.target(context.project.history, context.project.deployed)
    context.report(f"{path}: from {head} to {target}")
    return EXIT_DONE
