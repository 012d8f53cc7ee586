"""The façade of the workflow, which the command line, the launchers and the tests call.

A method reads, plans or runs, and returns the result as data. Nothing here prints, asks or exits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..database import grants
from ..database.connection import engine_version, looking, read_current
from ..database.record import edited, last_applied, read_record, recorded_elsewhere
from ..database.waits import Tell, say_nothing
from ..errors.facts.refusal import InMemoryDatabase
from ..errors.listener import Listener
from ..errors.loss import Agreement
from ..errors.revision import HEAD, HEADS, Direction
from ..errors.settings.config import Config
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import is_memory, redact_url
from ..project import rollback_script
from ..project.project import Project
from ..run.request import RunOutcome, RunRequest
from .others import other_project, refuse_others
from .plan import RollbackPlan, UpgradePlan, plan_rollback, plan_upgrade
from .status import HistoryEntry, Status, not_checked

if TYPE_CHECKING:
    # A run needs Alembic; a command that only looks at a database should not wait for its import.
    from sqlalchemy import Connection

    from ..backup import Backups
    from ..run.through_env import StepsOf
    from .reset import ResetPlan


class MigrationWorkflow:
    """The operations on one database with one Alembic project."""

    def __init__(
        self,
        project: Project,
        db: DbConfig,
        *,
        environment: str = "development",
        source: Path | None = None,
        listener: Listener | None = None,
        others: Sequence[Path] = (),
    ) -> None:
        """Bind a project to a database.

        Args:
            project: the Alembic project.
            db: the settings of the database. Migrations use its `admin_url`, if this is set.
            environment: the configured environment; a database of `production` is reset only with `--allow-production`.
            source: the configuration file, for messages.
            listener: receives the progress of a run.
            others: for each other project to which the database may belong, the path of its `alembic.ini`.
        """
        self.project, self.db = project, db
        self.others = tuple(others)
        self.environment, self.source = environment, source
        self.listener = listener

    @classmethod
    def from_config(
        cls,
        config: Config,
        project: Project | None = None,
        *,
        listener: Listener | None = None,
        others: Sequence[Path] = (),
    ) -> MigrationWorkflow:
        """Return the workflow for the database of a configuration. The default project is that of this package."""
        return cls(
            project or Project.own(),
            config.db,
            environment=config.environment,
            source=config.source,
            listener=listener,
            others=others,
        )

    @property
    def database(self) -> str:
        """The URL of the database, redacted."""
        return redact_url(self.db.migration_url)

    @property
    def tell(self) -> Tell:
        """A function that passes a line to the listener. Without a listener, the function does nothing."""
        return self.listener.note if self.listener else say_nothing

    @property
    def backups(self) -> Backups:
        """The backups of the database, with methods to list, make and restore them."""
        from ..backup import Backups

        self._refuse_memory()
        return Backups(self.project, self.db, self.listener)

    # ---- looking

    def current(self) -> tuple[str, ...]:
        """Return the revisions that the database records; none for an empty or missing database.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        with self.looking() as connection:
            return read_current(connection, self.project.version_table)

    def status(self) -> Status:
        """Return the status of the database. A missing SQLite file is not created.

        Raises:
            DatabaseError: the database cannot be reached.
            MigrationError: the revision files do not form a history.
        """
        history = self.project.history
        with self.looking() as connection:
            current = read_current(connection, self.project.version_table)
            record = read_record(connection, self.project.version_table) if current else []
            elsewhere = recorded_elsewhere(connection, self.project.version_table, history)
            engine = engine_version(connection)
            missing = grants.lacking(self.project, self.db, connection) if current else []
        return Status(
            engine=engine,
            database=self.database,
            current=current,
            heads=history.heads,
            pending=history.pending(current),
            applied=len(history.applied(current)),
            edited=tuple(edited(record, history, current)),
            unknown=(unknown := history.unknown(current)),
            other_project=str((other := other_project(self.project, self.others, current)) or ""),
            elsewhere="" if other else self.project.describe_location(next(iter(unknown), "")),
            deployed=self.project.deployed,
            rollback_script_in_sync=rollback_script.is_in_sync(self.project)
            if rollback_script.has_target(self.project)
            else None,
            schema=self.project.version_table.schema or str(connection.dialect.default_schema_name or ""),
            recorded_elsewhere=elsewhere,
            missing_grants=tuple(grant.sql for grant in missing),
            rollback_script=str(self.project.rollback_script or ""),
            not_checked=not_checked(self.project, self.db.role_to_grant, current, record),
        )

    def history(self, to: str | None = None) -> list[HistoryEntry]:
        """Return the revisions, newest first, each with its record in the database.

        Args:
            to: the revision, tag, branch, commit or date up to which revisions are listed; None for all.
        """
        table = self.project.version_table
        with self.looking() as connection:
            current, record = read_current(connection, table), read_record(connection, table)
        history, last = self.project.history, last_applied(record)
        applied, changed = history.applied(current), set(edited(record, history, current))
        shown = history.order if to is None else history.applied([self.project.resolve(to)])
        return [
            HistoryEntry(
                history[id_],
                is_head=id_ in history.heads,
                is_current=id_ in current,
                is_applied=id_ in applied,
                is_edited=id_ in changed,
                record=last.get(id_) if id_ in applied else None,
            )
            for id_ in reversed(history.order)
            if id_ in shown
        ]

    def refuse_others(self, current: Sequence[str]) -> None:
        """Refuse a database that may belong to another project; see `others.refuse_others`."""
        refuse_others(self.project, self.others, current, self.database)

    # ---- moving

    def plan_upgrade(self, to: str = HEAD, *, from_base: bool = False) -> UpgradePlan:
        """Plan an upgrade.

        Args:
            to: the target: `head`, `heads`, a revision or the beginning of its id, a tag, a branch, a commit or a date.
            from_base: whether the upgrade is allowed to start at base although the database is not empty.

        Raises:
            Unrecorded, RowsOverlap: the revision of the database is not known.
            UnknownRevision: the database is at a revision that the files do not have.
            OutOfReach, RevisionNotFound, AmbiguousRevision, MultipleHeads: an upgrade cannot go to this target.
        """
        with self.looking() as connection:
            current = read_current(connection, self.project.version_table)
            self.refuse_others(current)
            self.project.refuse_unknown(current, self.database)
            plan = plan_upgrade(self.project, current, to)
            if plan.pending or len(current) > 1:
                from .unrecorded import refuse_start  # This needs Alembic; a database at head does not.

                refuse_start(self.project, connection, current, from_base=from_base, note=self.tell)
        return plan

    def upgrade(self, to: UpgradePlan | str = HEAD, *, from_base: bool = False) -> RunOutcome:
        """Upgrade the database, all or nothing, and read its revision from a second connection.

        The upgrade is one transaction, unless a revision declares its own. If nothing is pending, nothing is locked.

        Args:
            to: a plan that `plan_upgrade` returned, or the target for a new plan.
            from_base: whether the upgrade is allowed to start at base although the database is not empty.

        Raises:
            UnknownRevision, OutOfReach, MultipleHeads: the upgrade cannot go to the target; nothing was changed.
            RevisionFailed, LossNotDeclared, ForeignKeysViolated: the run was rolled back; the error names the revision.
            DatabaseLocked: another run held the database, or another session held a needed lock, for too long.
            RunInterrupted, RunTerminated: SIGINT or SIGTERM came; everything that was not committed was rolled back.
            DatabaseError: the database cannot be reached.
        """
        plan = to if isinstance(to, UpgradePlan) else self.plan_upgrade(to, from_base=from_base)
        if plan.pending:
            request = replace(self.request, from_base=from_base, upgrades_to=plan.ends)
            return self.run(_steps("upgrade", plan.target), request, plan.target)
        # The database is at the target. Alembic is not needed, so there is no need to wait for other threads.
        from ..run.after_commit import finish

        outcome = RunOutcome(before=plan.current, after=plan.current)
        finish(RunRequest(self.project, self.db, self.listener or Listener()), outcome)
        return outcome

    @property
    def request(self) -> RunRequest:
        """The request for a run on this database. The run makes a backup before it changes something."""
        from .unrecorded import before_change  # Imported late: a database at head does not need it.

        return RunRequest(self.project, self.db, self.listener or Listener(), before_change=before_change)

    def plan_rollback(self, *, steps: int = 1, to: str | None = None) -> RollbackPlan:
        """Plan a rollback by a number of steps, or to the revision `to`.

        Raises:
            UnknownRevision, OutOfReach, RevisionNotFound, AmbiguousRevision, Irreversible: a rollback cannot go to this
                target.
        """
        with self.looking() as connection:
            current = read_current(connection, self.project.version_table)
            self.refuse_others(current)
            self.project.refuse_unknown(current, self.database)
            return plan_rollback(self.project, connection, current, steps=steps, to=to, note=self.tell)

    def rollback(self, plan: RollbackPlan, agreement: Agreement) -> RunOutcome:
        """Roll back as planned, in one transaction.

        Args:
            plan: the plan that `plan_rollback` returned.
            agreement: the losses that are allowed to happen. The agreement must cover the losses that the run measures,
                even if the plan shows other losses.

        Raises:
            LossNotDeclared, LossNotConfirmed, RevisionFailed: the run was rolled back; nothing was changed.
        """
        request = replace(self.request, agreement=agreement)
        from .unrecorded import note_left_over

        outcome = self.run(_steps("downgrade", plan.target), request, plan.target)
        note_left_over(request, [revision for revision, _, _ in outcome.steps])
        return outcome

    def plan_reset(self, *, allow_production: bool = False) -> ResetPlan:
        """Find the objects that a reset would drop.

        Raises:
            ResetRefused: the configuration says production, or the server is not on this host.
        """
        if not allow_production:
            self.refuse_production("reset")
        from . import reset

        with self.looking() as connection:
            self.refuse_others(read_current(connection, self.project.version_table))
            return reset.plan_reset(self.project, connection, self.tell)

    def refuse_production(self, verb: str) -> None:
        """Refuse a database that others seem to use; see `reset.refuse_production`."""
        from . import reset

        reset.refuse_production(self.environment, self.db.migration_url, verb)

    def reset(self, plan: ResetPlan, *, everything: bool = False) -> RunOutcome:
        """Drop the objects of the history and migrate to head again, in one transaction.

        Args:
            plan: the plan that `plan_reset` returned.
            everything: whether the reset is allowed to lose all rows, and not only as many as the plan shows.

        Raises:
            ResetNotConfirmed: there are now more rows than in the plan; nothing was changed.
            RevisionFailed, AlembicRefused: the run was rolled back; nothing was changed.
        """
        from . import reset

        history = self.project.history
        ends, target = history.ends, HEADS if history.stays_apart else history.head

        def prepare(connection: Connection) -> None:
            reset.drop_objects(self.project, connection, plan, everything=everything)

        return self.run(_steps("upgrade", target), replace(self.request, prepare=prepare, upgrades_to=ends), target)

    def grant(self) -> list[str]:
        """Grant the missing rights of the application's role.

        Returns:
            The statements that were executed.
        """
        from ..run.after_commit import grant_at_rest

        if self.db.role_to_grant and not self.project.has_metadata:
            self.project.metadata()  # raises the error: without the models, nobody knows the tables
        return [grant.sql for grant in grant_at_rest(self.request)]

    def run(self, steps_of: StepsOf, request: RunRequest, target: str | None = None) -> RunOutcome:
        """Run revisions through `env.py`; see `run_through_env`."""
        from ..run.through_env import run_through_env

        return run_through_env(request, steps_of, target)

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Open a connection to read the database.

        Raises:
            DatabaseError: the database cannot be reached.
        """
        self._refuse_memory()
        with looking(self.db, self.tell) as connection:
            yield connection

    def _refuse_memory(self) -> None:
        if is_memory(self.db.migration_url):
            raise InMemoryDatabase(self.source)
        self.project.env.refuse_schema(self.db.migration_url.get_backend_name())


def _steps(direction: Direction, target: str) -> StepsOf:
    """Return a function that returns the steps to a revision, as Alembic's own commands find them."""
    return lambda scripts, current: getattr(scripts, f"_{direction}_revs")(target, current)
