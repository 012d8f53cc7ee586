"""The verbs that read the database, or change its revision."""

from __future__ import annotations

import sys
from dataclasses import replace

from ...errors.base import EXIT_DONE, EXIT_FAILED
from ...errors.facts.configuration import UsageError
from ...errors.facts.refusal import ResetNotConfirmed
from ...errors.revision import HEAD
from ...project import rollback_script
from ..boundary import CommandContext
from ..questions import HOW_FAR, agree, ask, positive
from ..rendering import results
from . import releases


def upgrade(context: CommandContext, *, to: str | None = None, dry_run: bool = False, from_base: bool = False) -> int:
    """Upgrade the database to head, or to a revision."""
    context.introduce()
    plan = context.workflow.plan_upgrade(to or HEAD, from_base=from_base)
    if plan.pending:
        context.print(results.upgrade(plan))
    if dry_run:
        if plan.pending:
            from ...run.start import foresee  # A database at head need not wait for Alembic.

            foresee(replace(context.workflow.request, upgrades_to=plan.ends), plan.current)
        context.print(results.pending(plan.pending) if plan.pending else results.nothing_to_do(plan.current))
        return EXIT_DONE
    context.report(results.outcome(context.workflow.upgrade(plan, from_base=from_base), "upgraded"))
    return EXIT_DONE


def rollback(
    context: CommandContext,
    *,
    steps: str | None = None,
    to: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    sql: bool = False,
    head: str | None = None,
) -> int:
    """Show a plan, then roll the database back by one revision, by several, or to a revision."""
    count = positive(steps)
    if steps and to:
        raise UsageError("--steps and --to cannot be given together", *HOW_FAR)
    if head:
        rollback_script.require_head(context.project, head)
    if sql:
        return releases.print_rollback_sql(context, count, to, head)
    workflow = context.workflow
    context.introduce()
    plan = workflow.plan_rollback(steps=count, to=to)
    if not plan.steps:
        context.print(results.nothing_to_do(plan.current))
        return EXIT_DONE
    context.print(results.plan(plan))
    if dry_run:
        return EXIT_DONE
    agreement = agree(workflow, plan, f"inv db.rollback --to={plan.target}", yes=yes, everything=allow_data_loss)
    context.report(results.outcome(workflow.rollback(plan, agreement), "rolled back"))
    return EXIT_DONE


def reset(
    context: CommandContext, *, yes: bool = False, allow_data_loss: bool = False, allow_production: bool = False
) -> int:
    """Drop the objects of the history and migrate to head again (development)."""
    workflow = context.workflow
    context.introduce()
    plan = workflow.plan_reset(allow_production=allow_production)
    context.print(results.reset_plan(plan))
    question = f"Drop {plan.amount} in {plan.database}?"
    if plan.loses and not allow_data_loss:
        if yes or not sys.stdin.isatty():
            raise ResetNotConfirmed(plan.database, plan.amount, len(plan.filled))
        ask(question, "inv db.reset --yes --allow-data-loss")
    elif not yes:
        ask(question, "inv db.reset --yes" + (" --allow-data-loss" if plan.loses else ""))
    context.report(results.outcome(workflow.reset(plan, everything=allow_data_loss), "reset"))
    return EXIT_DONE


def status(context: CommandContext, *, json: bool = False) -> int:
    """Print the state of the database. The exit code is 0 at head, 3 if it is unreachable, otherwise 1."""
    found = context.workflow.status()
    project, source = str(context.project.ini), str(context.config.source)
    if json:
        context.print(results.status_json(found, project, source))
    else:
        messages = [context.project.history[id_].message for id_ in found.heads]
        context.print(results.status(found, project, source, messages[0] if len(messages) == 1 else ""))
    return EXIT_DONE if found.at_head else EXIT_FAILED


def history(context: CommandContext, *, to: str | None = None) -> int:
    """List the revisions, newest first, and mark those that are applied, current or head."""
    context.introduce()
    entries = context.workflow.history(to)
    context.print(results.history(entries, context.project.history.unknown(context.workflow.current())))
    return EXIT_DONE


def grant(context: CommandContext) -> int:
    """Grant the missing rights of the application's role (PostgreSQL)."""
    context.introduce()
    granted = context.workflow.grant()
    nothing = "no right is missing"
    if not (context.db and context.db.role_to_grant):
        nothing = "no right was checked, because the configuration names no role of the application"
    context.report("\n".join(granted) or f"nothing to do: {nothing}")
    return EXIT_DONE
