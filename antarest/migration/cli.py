"""The commands of the workflow: arguments, questions, and the boundary that turns an error into an exit code.

`tasks.py` and `python -m antarest.migration` (which `rollback.sh` calls) share the verbs and the words for each flag.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from antarest.core.config import Config, load_config, with_lock_timeout
from antarest.core.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    AntarestError,
    Hint,
    UsageError,
)
from antarest.core.persistence import redact
from antarest.migration import backup_verbs, invoke_flags, report, rollback_script
from antarest.migration.errors import CheckFailed, ResetNotConfirmed, UnexpectedFailure
from antarest.migration.flags import FLAGS, HIDDEN, spelled
from antarest.migration.history import HEAD
from antarest.migration.project import Project
from antarest.migration.questions import HOW_FAR, agree, ask, positive
from antarest.migration.workflow import MigrationWorkflow

__all__ = ["FLAGS", "HIDDEN", "VERBS", "Session", "Verb", "print_error", "refuse_misplaced", "run"]


@dataclass(frozen=True)
class Verb:
    """A command: what it does, and the flags it has beside `config`, `debug` and `project`."""

    call: Callable[..., int]
    flags: tuple[str, ...] = ()


class Session:
    """What a command works with, made when it is first needed."""

    def __init__(
        self, config: str | None, project: str | None, lock_timeout: str | None = None, *, backup: bool = False
    ) -> None:
        self._config_path = config
        self._project_path = project
        self._lock_timeout = lock_timeout
        self._backup = backup
        self.progress = report.Progress(sys.stdout)

    @cached_property
    def project(self) -> Project:
        """The Alembic project."""
        return Project.load(self._project_path)

    @cached_property
    def config(self) -> Config:
        """The configuration."""
        config = load_config(self._config_path)
        db = with_lock_timeout(config.db, self._lock_timeout, "--lock-timeout")
        return replace(config, db=replace(db, backup=db.backup or self._backup))

    @cached_property
    def workflow(self) -> MigrationWorkflow:
        """The workflow on the configured database, with progress on the standard output."""
        return MigrationWorkflow.from_config(self.config, self.project, listener=self.progress)

    def introduce(self) -> None:
        """Say which file was used and which database it names."""
        print(report.fields([("configuration", str(self.config.source)), ("database", self.workflow.database)]))

    def redact(self, text: str) -> str:
        """Take the passwords of the configuration out of a text, where it was read."""
        if "config" not in self.__dict__:
            return text
        urls = [url for url in (self.config.db.url, self.config.db.admin_url) if url is not None]
        return redact(text, *urls)


# ---- the verbs


def upgrade(session: Session, *, to: str | None = None, dry_run: bool = False) -> int:
    """Upgrade the database to head, or to a revision."""
    workflow = session.workflow
    session.introduce()
    pending = workflow.pending(to or HEAD)
    if pending:
        start = report.position(workflow.current())
        print(f"{'upgrade':<14} {start} -> {pending[-1].id} ({report.count(len(pending), 'revision')})")
    if dry_run:
        print(report.pending(pending) if pending else report.nothing_to_do(workflow.current()))
        return EXIT_DONE
    print(report.move(workflow.upgrade(to or HEAD), "upgraded"))
    return EXIT_DONE


def rollback(
    session: Session,
    *,
    steps: str | None = None,
    to: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    head: str | None = None,
) -> int:
    """Roll the database back: one revision, several, or to a revision; with a plan first."""
    count = positive(steps)
    if steps and to:
        raise UsageError("--steps and --to cannot be given together", hints=HOW_FAR)
    if head:
        rollback_script.require_head(session.project, head)
    workflow = session.workflow
    session.introduce()
    plan = workflow.plan_rollback(steps=count, to=to)
    if not plan.steps:
        print(report.nothing_to_do(plan.current))
        return EXIT_DONE
    print(report.plan(plan))
    if dry_run:
        return EXIT_DONE
    workflow.refuse_undeclared(plan)
    print(
        report.move(workflow.rollback(plan, agree(workflow, plan, yes=yes, everything=allow_data_loss)), "rolled back")
    )
    return EXIT_DONE


def reset(session: Session, *, yes: bool = False, allow_data_loss: bool = False, allow_production: bool = False) -> int:
    """Drop the objects of the history and migrate to head again (development)."""
    workflow = session.workflow
    session.introduce()
    plan = workflow.plan_reset(allow_production=allow_production)
    print(report.reset_plan(plan))
    question = f"Drop {report.count(plan.total, 'row')} in {plan.database}?"
    if plan.total and not allow_data_loss:
        if yes or not sys.stdin.isatty():
            raise ResetNotConfirmed(plan.database, plan.total, sum(rows > 0 for rows in plan.rows.values()))
        ask(question, "inv db.reset --yes --allow-data-loss")
    elif not yes:
        ask(question, "inv db.reset --yes" + (" --allow-data-loss" if plan.total else ""))
    print(report.move(workflow.reset(plan), "reset"))
    return EXIT_DONE


def status(session: Session, *, json: bool = False) -> int:
    """Say where the database is: exit code 0 at head, 1 otherwise, 3 unreachable."""
    found = session.workflow.status()
    source = str(session.config.source)
    if json:
        print(report.status_json(found, source))
    else:
        messages = [session.project.history[id_].message for id_ in found.heads]
        print(report.status(found, source, messages[0] if len(messages) == 1 else ""))
    return EXIT_DONE if found.at_head else EXIT_FAILED


def history(session: Session) -> int:
    """List the revisions, newest first, with a mark at what is applied, current and head."""
    session.introduce()
    entries = session.workflow.history()
    print(report.history(entries, session.project.history.unknown(session.workflow.current())))
    return EXIT_DONE


def revision(session: Session, *, message: str | None = None, empty: bool = False) -> int:
    """Write a revision from the difference between the models and the migrations."""
    if not message:
        example = 'inv db.revision --message="add study horizon"'
        raise UsageError("a revision needs a message", hints=[Hint("Say what it is for", example)])
    # Imported here: whoever only looks at a database does not wait for Alembic.
    from antarest.migration.authoring import write_revision

    written = write_revision(session.project, message, empty=empty)
    print(report.written(written, session.project.rollback_script))
    return EXIT_FAILED if written.by_hand and not written.path else EXIT_DONE


def check(session: Session) -> int:
    """Check the project, for CI and hooks: one head, rollback.sh, models registered and equal to the migrations."""
    from antarest.migration import checks  # as above

    found = checks.check(session.project)
    print(report.findings(found))
    if found:
        raise CheckFailed(len(found))
    return EXIT_DONE


def grant(session: Session) -> int:
    """Give the application's role the rights that it lacks (PostgreSQL)."""
    session.introduce()
    granted = session.workflow.grant()
    print("\n".join(granted) if granted else "nothing to do: no right is missing")
    return EXIT_DONE


def write_rollback_script(session: Session) -> int:
    """Write scripts/rollback.sh anew, after revision files were renamed, deleted or edited."""
    path = rollback_script.write(session.project)
    target, head = rollback_script.target(session.project.history)
    print(f"{path}: from {head} to {target}")
    return EXIT_DONE


VERBS = {
    "upgrade": Verb(upgrade, ("to", "dry_run", "backup", "lock_timeout")),
    "rollback": Verb(rollback, ("steps", "to", "dry_run", "yes", "allow_data_loss", "backup", "lock_timeout", "head")),
    "reset": Verb(reset, ("yes", "allow_data_loss", "allow_production", "backup", "lock_timeout")),
    "backup": Verb(backup_verbs.backup),
    "backups": Verb(backup_verbs.backups, ("json",)),
    "restore": Verb(backup_verbs.restore, ("from_", "yes", "allow_data_loss", "end_sessions", "lock_timeout")),
    "status": Verb(status, ("json",)),
    "history": Verb(history),
    "revision": Verb(revision, ("message", "empty")),
    "check": Verb(check),
    "grant": Verb(grant),
    "rollback-script": Verb(write_rollback_script),
}


# ---- the boundary


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
    try:
        _refuse_empty({"config": config, "project": project, "lock_timeout": lock_timeout, **options}, verb)
        return VERBS[verb].call(session, **options)
    except KeyboardInterrupt:
        session.progress.stop()
        sys.stderr.write(f"\n{report.INTERRUPTED}")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # The reader of our output has gone, as with `| head`.
        sys.stderr.close()
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 - this is the one boundary where nothing may pass
        return _fail(session, error, debug=debug, json=options.get("json", False))


def _refuse_empty(options: Mapping[str, object], verb: str) -> None:
    """Refuse `--to=$UNSET`: what was meant is not what leaving the flag out would do."""
    for name, value in options.items():
        if value == "":
            raise UsageError(
                f"{spelled(name)} has no value", hints=[Hint("Give it one, or leave it out", f"inv db.{verb} --help")]
            )


def _fail(session: Session, error: Exception, *, debug: bool, json: bool) -> int:
    known = error if isinstance(error, AntarestError) else UnexpectedFailure(session.redact(_one_line(error)))
    session.progress.stop()
    if debug:
        sys.stderr.write(session.redact("".join(traceback.format_exception(error))))
    sys.stdout.flush()
    if json:
        print(report.render_error_json(known))
        return known.exit_code
    return print_error(known)


def print_error(error: AntarestError) -> int:
    """Print an error, and return its exit code."""
    sys.stderr.write(report.render_error(error))
    return error.exit_code


def _one_line(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


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
