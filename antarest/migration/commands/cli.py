"""The commands of the workflow: arguments and questions; `boundary` turns what they raise into exit codes.

`tasks.py` and `python -m antarest.migration` (which `rollback.sh` calls) share the verbs and the words for each flag.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors.base import EXIT_DONE, EXIT_FAILED, AntarestError, Hint
from ..errors.facts.configuration import UsageError
from ..errors.facts.refusal import CheckFailed, ResetNotConfirmed
from ..errors.revision import HEAD
from ..errors.text import count, position
from ..project import rollback_script
from . import invoke_flags
from .boundary import Session, guard, print_error
from .flags import FLAGS, HIDDEN, TEXTS
from .questions import HOW_FAR, agree, ask, positive
from .rendering import results
from .verbs import backups, branches, development, releases

__all__ = ["FLAGS", "HIDDEN", "VERBS", "Session", "Verb", "print_error", "refuse_misplaced", "run"]


@dataclass(frozen=True)
class Verb:
    """A command: what it does, and the flags it has beside `config`, `debug` and `project`.

    Attributes:
        call: what it does.
        flags: its flags.
        own: those that mean something else here: the value that they take, and the words for them.
        words: what it takes without a flag, in order.
    """

    call: Callable[..., int]
    flags: tuple[str, ...] = ()
    own: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    def value_of(self, flag: str) -> str:
        """What value a flag takes here; empty for one that takes none."""
        return self.own[flag][0] if flag in self.own else TEXTS.get(flag, "")

    def words_for(self, flag: str) -> str:
        """What a flag does here."""
        return self.own[flag][1] if flag in self.own else FLAGS[flag]


# ---- the verbs


def upgrade(session: Session, *, to: str | None = None, dry_run: bool = False) -> int:
    """Upgrade the database to head, or to a revision."""
    workflow = session.workflow
    session.introduce()
    current = workflow.known_current()
    pending = workflow.pending(to or HEAD, current)
    if pending:
        start = position(current)
        print(f"{'upgrade':<14} {start} -> {pending[-1].id} ({count(len(pending), 'revision')})")
    if dry_run:
        print(results.pending(pending) if pending else results.nothing_to_do(current))
        return EXIT_DONE
    print(results.move(workflow.upgrade(to or HEAD, current), "upgraded"))
    return EXIT_DONE


def rollback(
    session: Session,
    *,
    steps: str | None = None,
    to: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    sql: bool = False,
    head: str | None = None,
) -> int:
    """Roll the database back: one revision, several, or to a revision; with a plan first."""
    count = positive(steps)
    if steps and to:
        raise UsageError("--steps and --to cannot be given together", hints=HOW_FAR)
    if head:
        rollback_script.require_head(session.project, head)
    if sql:
        return releases.print_rollback_sql(session, count, to, head)
    workflow = session.workflow
    session.introduce()
    plan = workflow.plan_rollback(steps=count, to=to)
    if not plan.steps:
        print(results.nothing_to_do(plan.current))
        return EXIT_DONE
    print(results.plan(plan))
    if dry_run:
        return EXIT_DONE
    workflow.refuse_undeclared(plan)
    agreement = agree(workflow, plan, f"inv db.rollback --to={plan.target}", yes=yes, everything=allow_data_loss)
    print(results.move(workflow.rollback(plan, agreement), "rolled back"))
    return EXIT_DONE


def reset(session: Session, *, yes: bool = False, allow_data_loss: bool = False, allow_production: bool = False) -> int:
    """Drop the objects of the history and migrate to head again (development)."""
    workflow = session.workflow
    session.introduce()
    plan = workflow.plan_reset(allow_production=allow_production)
    print(results.reset_plan(plan))
    question = f"Drop {count(plan.total, 'row')} in {plan.database}?"
    if plan.total and not allow_data_loss:
        if yes or not sys.stdin.isatty():
            raise ResetNotConfirmed(plan.database, plan.total, sum(rows > 0 for rows in plan.rows.values()))
        ask(question, "inv db.reset --yes --allow-data-loss")
    elif not yes:
        ask(question, "inv db.reset --yes" + (" --allow-data-loss" if plan.total else ""))
    print(results.move(workflow.reset(plan), "reset"))
    return EXIT_DONE


def status(session: Session, *, json: bool = False) -> int:
    """Say where the database is: exit code 0 at head, 1 otherwise, 3 unreachable."""
    found = session.workflow.status()
    source = str(session.config.source)
    if json:
        print(results.status_json(found, source))
    else:
        messages = [session.project.history[id_].message for id_ in found.heads]
        print(results.status(found, source, messages[0] if len(messages) == 1 else ""))
    return EXIT_DONE if found.at_head else EXIT_FAILED


def history(session: Session, *, to: str | None = None) -> int:
    """List the revisions, newest first, with a mark at what is applied, current and head."""
    session.introduce()
    entries = session.workflow.history(to)
    print(results.history(entries, session.project.history.unknown(session.workflow.current())))
    return EXIT_DONE


def revision(
    session: Session,
    *,
    message: str | None = None,
    empty: bool = False,
    amend: bool = False,
    discard_edits: bool = False,
    **flags: bool,
) -> int:
    """Write a revision from the difference between the models and the migrations."""
    if amend:
        branches.refuse_message_with_amend(message, empty=empty)
        return branches.amend(session, discard_edits=discard_edits, **flags)
    if not message:
        example = 'inv db.revision --message="add study horizon"'
        raise UsageError("a revision needs a message", hints=[Hint("Say what it is for", example)])
    # Imported here: whoever only looks at a database does not wait for Alembic.
    from ..branches.writing import write_revision

    written = write_revision(session.project, message, empty=empty)
    diagram = development.follow(session.project) if written.path else None
    print(results.written(written, session.project.rollback_script, diagram))
    return EXIT_FAILED if written.by_hand and not written.path else EXIT_DONE


def check(session: Session) -> int:
    """Check the project, for CI and hooks: one head, rollback.sh, the diagram, models equal to the migrations."""
    from ..branches import checks  # as above

    try:
        status = session.workflow.status()
    except AntarestError:  # A build server has no database to ask.
        status = None
    found = checks.check(session.project, status)
    print(results.checks(found))
    if number := sum(len(each.problems) for each in found):
        raise CheckFailed(number)
    return EXIT_DONE


def verify(session: Session, **options: Any) -> int:
    """Prove every revision on both engines, up and down, with rows in the tables; on any Alembic project."""
    from .verbs.verify import verify  # as above

    return verify(session, **options)


def grant(session: Session) -> int:
    """Give the application's role the rights that it lacks (PostgreSQL)."""
    session.introduce()
    granted = session.workflow.grant()
    print("\n".join(granted) if granted else "nothing to do: no right is missing")
    return EXIT_DONE


def write_rollback_script(session: Session) -> int:
    """Write rollback.sh anew, after revision files were renamed, deleted or edited; installed, say where it is."""
    path = session.project.rollback_script
    if path is None or not rollback_script.is_in_sync(session.project):
        path = rollback_script.write(session.project)
    target, head = rollback_script.target(session.project.history, session.project.deployed)
    print(f"{path}: from {head} to {target}")
    return EXIT_DONE


VERBS = {
    "upgrade": Verb(upgrade, ("to", "dry_run", "backup", "lock_timeout")),
    "rollback": Verb(
        rollback, ("steps", "to", "dry_run", "yes", "allow_data_loss", "sql", "backup", "lock_timeout", "head")
    ),
    "sync": Verb(branches.sync, ("dry_run", "yes", "allow_data_loss", "allow_changed", "backup", "lock_timeout")),
    "switch": Verb(
        branches.switch,
        ("dry_run", "yes", "allow_data_loss", "allow_changed", "backup", "lock_timeout"),
        words=("branch",),
    ),
    "reset": Verb(reset, ("yes", "allow_data_loss", "allow_production", "backup", "lock_timeout")),
    "backup": Verb(backups.backup),
    "backups": Verb(backups.backups, ("json",)),
    "restore": Verb(backups.restore, ("from_", "yes", "allow_data_loss", "end_sessions", "lock_timeout")),
    "status": Verb(status, ("json",)),
    "history": Verb(history, ("to",), {"to": ("REF", "only what leads there")}),
    "revision": Verb(
        revision,
        ("message", "empty", "amend", "discard_edits", "dry_run", "yes", "allow_data_loss", "backup", "lock_timeout"),
    ),
    "redo": Verb(branches.redo, ("dry_run", "yes", "allow_data_loss", "backup", "lock_timeout")),
    "rebase": Verb(branches.rebase, ("onto", "dry_run", "yes", "allow_data_loss", "backup", "lock_timeout")),
    "merge": Verb(branches.merge, ("message",)),
    "check": Verb(check),
    "verify": Verb(
        verify,
        (
            "engine",
            "revisions",
            "new",
            "rows",
            "json",
            "markdown",
            "project",
            "versions",
            "metadata",
            "rows_from",
            "since",
            "keep",
        ),
        {
            "json": ("FILE", "write the result as JSON too"),
            "project": ("PATH", "the alembic.ini of any project (default: the one here)"),
        },
    ),
    "deployed": Verb(releases.deployed, words=("ref",)),
    "deployed-clear": Verb(releases.deployed_clear),
    "sql": Verb(releases.sql, ("output",), words=("from_ref", "to_ref")),
    "release-notes": Verb(releases.release_notes, ("output",), words=("from_ref", "to_ref")),
    "grant": Verb(grant),
    "rollback-script": Verb(write_rollback_script),
    "install-hooks": Verb(branches.install_hooks),
    "diagram": Verb(development.diagram),
    "seed": Verb(development.seed, ("studies", "allow_production")),
}


# ---- from the words to the verb


def run(
    verb: str,
    *,
    config: str | None = None,
    project: str | None = None,
    lock_timeout: str | None = None,
    backup: bool = False,
    debug: bool = False,
    **options: Any,
) -> int:
    """Run a command: print its result, or its error.

    Returns:
        The exit code.
    """
    session = Session(config, project, lock_timeout, backup=backup)

    def call() -> int:
        invoke_flags.refuse_empty({"config": config, "project": project, "lock_timeout": lock_timeout, **options}, verb)
        return VERBS[verb].call(session, **options)

    return guard(session, call, debug=debug, json=options.get("json") is True)


def refuse_misplaced(words: Sequence[str], command: str) -> int:
    """Refuse flags that Invoke takes for its own and says nothing; see `invoke_flags`.

    Args:
        words: the command line, or what of it stands before the task.
        command: the task, as it is called, for example `inv db.status`.

    Returns:
        The exit code: 0 when there is nothing to refuse.
    """
    error = invoke_flags.find_swallowed(words, command)
    return print_error(error) if error else EXIT_DONE
