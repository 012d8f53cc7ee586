"""What `env.py` runs: the one code path on which a database is moved.

`alembic upgrade head`, `inv db.upgrade`, an application that upgrades itself and the tests all come through `run()`. The
whole run is one transaction on both engines. Before it commits, what it lost is compared with what its revisions
declare; after it, a second connection reads where the database is. The workflow hands its wishes over in a `Move`; for
plain `alembic` one is made from the configuration file and the `-x` options.
"""

from __future__ import annotations

import logging
import logging.config
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from alembic.script import write_hooks
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from antarest.core.config import DbConfig, load_config
from antarest.core.errors import AntarestError
from antarest.core.persistence import redact, redact_url
from antarest.core.urls import is_memory
from antarest.migration.connection import looking, moving, read_current
from antarest.migration.errors import (
    AlembicRefused,
    ForeignKeysViolated,
    InMemoryDatabase,
    Irreversible,
    LossNotConfirmed,
    LossNotDeclared,
    NotRecorded,
    RevisionFailed,
    RunFailed,
    SqlNotSupported,
    UnknownRevision,
)
from antarest.migration.history import BASE, Direction, Revision
from antarest.migration.loss import Agreement, Loss, LossGuard, foreign_key_violations
from antarest.migration.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

ATTRIBUTE = "antarest"
log = logging.getLogger("alembic.antarest")


class Listener(Protocol):
    """Who wants to hear how a run goes on."""

    def started(self, revision: Revision, direction: Direction) -> None:
        """A revision begins."""

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """A revision has ended; nothing is committed yet."""

    def note(self, text: str) -> None:
        """Something else that the user should know."""


class Silence:
    """A listener that does not listen."""

    def started(self, revision: Revision, direction: Direction) -> None:
        """Do nothing."""

    def finished(self, revision: Revision, direction: Direction, seconds: float) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


@dataclass
class Move:
    """One run: what is wished for, and what came of it.

    Attributes:
        project: the Alembic project.
        db: the database.
        listener: who hears how it goes on.
        agreement: what a person agreed to lose, when it goes down.
        prepare: what to do inside the transaction before the first revision (a reset drops the objects there).
        before: the revisions that the database was at.
        after: the revisions that it is at now.
        running: the revision that runs right now.
        steps: what was run, with its time in seconds.
        losses: what was lost, declared (and agreed to).
    """

    project: Project
    db: DbConfig
    listener: Listener = field(default_factory=Silence)
    agreement: Agreement = field(default_factory=Agreement)
    prepare: Callable[[Connection], None] | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    running: tuple[Revision, Direction] | None = None
    steps: list[tuple[Revision, Direction, float]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    @property
    def database(self) -> str:
        """The database as it may be shown."""
        return redact_url(self.db.migration_url)

    @property
    def position(self) -> str:
        """Where the database was when the run began, as it is shown."""
        return ", ".join(self.before) or BASE


def run(context: Any) -> None:
    """Do what the Alembic command that called `env.py` asks for.

    Args:
        context: the module `alembic.context`.

    Raises:
        AntarestError: when the workflow called; for plain `alembic` the error is printed and the process exits.
    """
    request = context.config.attributes.get(ATTRIBUTE)
    project = request.project if request else Project.load(context.config.config_file_name)
    write_hooks.register("antarest")(lambda path, _options: _finish_revision_file(project, path))
    if request:
        _dispatch(context, project, lambda: request)
        return
    with _command_line(context):
        _dispatch(context, project, lambda: _plain_move(context, project))


def _dispatch(context: Any, project: Project, get_move: Callable[[], Move]) -> None:
    options = context._proxy.context_opts  # noqa: SLF001 - which command it is, Alembic says only here
    if "revision_context" in options:
        _compare(context, project, only_changes=getattr(context.config.attributes.get(ATTRIBUTE), "only_changes", False))
    elif context.is_offline_mode():
        _write_sql(context, get_move())
    elif options.get("dont_mutate"):
        _read(context, get_move())
    elif options["fn"].__name__ == "do_stamp":
        _stamp(context, get_move())
    else:
        _move(context, get_move(), options["fn"], options.get("destination_rev"))


# ---- moving


def _move(context: Any, move: Move, steps_of: Callable[..., Iterable[Any]], destination: str | None) -> None:
    url = move.db.migration_url
    if is_memory(url):
        raise InMemoryDatabase(None)
    with looking(url) as connection:
        move.before = move.after = read_current(connection, move.project.version_table)
    _look_ahead(move, steps_of, destination)
    if not _steps(move, steps_of, destination) and not move.prepare:
        _mend_grants(move)
        _sync_rollback_script(move)
        return
    with moving(url) as connection, _failures(move):
        guard = LossGuard(connection, exclude=[move.project.version_table])
        context.configure(
            connection=connection,
            fn=lambda current, _context: _walk(move, guard, steps_of(current, _context)),
            **move.project.alembic_options(),
        )
        with context.begin_transaction():
            if move.prepare:
                move.prepare(connection)
            violations = foreign_key_violations(connection)
            guard.start()
            context.run_migrations()
            guard.finish()
            move.losses = guard.losses
            _judge(move)
            _compare_foreign_keys(move, violations, foreign_key_violations(connection))
            _grant(move, connection)
            move.after = tuple(sorted(context.get_context().get_current_heads()))
    _confirm(move)
    _sync_rollback_script(move)


def _look_ahead(move: Move, steps_of: Callable[..., Iterable[Any]], destination: str | None) -> None:
    """Refuse what cannot succeed before anything is locked."""
    history = move.project.history
    if move.prepare:
        return
    if unknown := history.unknown(move.before):
        raise UnknownRevision(unknown[0], move.database, history.heads, len(history), move.project.folder)
    for step in _steps(move, steps_of, destination):
        revision = history[step.revision.revision]
        if step.is_downgrade and revision.irreversible:
            raise Irreversible(revision.id, revision.irreversible, revision.id)


def _steps(move: Move, steps_of: Callable[..., Iterable[Any]], destination: str | None) -> list[Any]:
    try:
        return list(steps_of(() if move.prepare else move.before, None))
    except CommandError as error:
        if destination is not None:
            move.project.history.resolve(destination)  # It has the better words for what is unknown or ambiguous.
        raise AlembicRefused(str(error)) from error


def _walk(move: Move, guard: LossGuard, steps: Iterable[Any]) -> Iterator[Any]:
    """Hand the steps to Alembic one by one; what follows a `yield` happens when Alembic has run the step."""
    for step in steps:
        revision = move.project.history[step.revision.revision]
        direction: Direction = "upgrade" if step.is_upgrade else "downgrade"
        move.running = (revision, direction)
        move.listener.started(revision, direction)
        begin = time.perf_counter()
        guard.begin(revision, direction)
        yield step
        guard.end(revision, direction)
        seconds = time.perf_counter() - begin
        move.steps.append((revision, direction, seconds))
        move.running = None
        move.listener.finished(revision, direction, seconds)


@contextmanager
def _failures(move: Move) -> Iterator[None]:
    """Turn what a revision raises into an error that says which one it was, and that nothing was changed."""
    try:
        yield
    except AntarestError:
        raise
    except Exception as error:
        reason = _reason(move, error)
        if move.running is None:
            raise RunFailed(reason, database=move.database, current=move.position) from error
        revision, direction = move.running
        raise RevisionFailed(
            revision.id, direction, reason, database=move.database, current=move.position, done=len(move.steps)
        ) from error


def _reason(move: Move, error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    first_line = str(cause).strip().partition("\n")[0] or type(cause).__name__
    return redact(first_line, move.db.migration_url)


def _judge(move: Move) -> None:
    """Refuse, before the commit, a loss that no revision declares, or that goes down and nobody agreed to."""
    if undeclared := [loss for loss in move.losses if not loss.declared]:
        raise LossNotDeclared(undeclared, move.database, move.position)
    refused = [loss for loss in move.losses if loss.direction == "downgrade" and not move.agreement.covers(loss)]
    if refused:
        raise LossNotConfirmed(refused, move.database, move.position)


def _compare_foreign_keys(move: Move, before: set[tuple[Any, ...]], after: set[tuple[Any, ...]]) -> None:
    # A rebuild keeps the rowid of a table with an integer key only, so the rows cannot be told apart: count them.
    places = {(row[0], row[2]) for row in after}
    worse = [
        f"{table} -> {referred}"
        for table, referred in sorted(places)
        if sum((row[0], row[2]) == (table, referred) for row in after)
        > sum((row[0], row[2]) == (table, referred) for row in before)
    ]
    if worse:
        raise ForeignKeysViolated(worse, move.database, move.position)


def _grant(move: Move, connection: Connection) -> None:
    role = move.db.role_to_grant
    if role and move.project.metadata_name:
        from antarest.migration import grants  # Only an installation with two roles needs it.

        missing = grants.missing_grants(connection, move.project.metadata(), role, move.project.version_table)
        grants.grant(connection, missing)
        if missing:
            move.listener.note(f"granted {len(missing)} rights to role {role}")


def _mend_grants(move: Move) -> None:
    """At head, and yet a right may be missing: an object that somebody made or owned by hand."""
    if move.db.role_to_grant and move.before:
        with moving(move.db.migration_url) as connection, connection.begin():
            _grant(move, connection)


def _confirm(move: Move) -> None:
    """Read the revision from a second connection: only that says that the run was committed."""
    with looking(move.db.migration_url) as connection:
        found = read_current(connection, move.project.version_table)
    if found != move.after:
        raise NotRecorded(", ".join(move.after) or BASE, ", ".join(found) or BASE, move.database)


def _sync_rollback_script(move: Move) -> None:
    from antarest.migration import rollback_script

    if move.project.is_checkout and rollback_script.sync(move.project):
        move.listener.note(f"rewrote {move.project.rollback_script}")


# ---- everything else that Alembic does


def _read(context: Any, move: Move) -> None:
    history = move.project.history
    with looking(move.db.migration_url) as connection:
        if unknown := history.unknown(read_current(connection, move.project.version_table)):
            raise UnknownRevision(unknown[0], move.database, history.heads, len(history), move.project.folder)
        connection.rollback()  # Alembic must find the connection without a transaction.
        context.configure(connection=connection, **move.project.alembic_options())
        with context.begin_transaction():
            context.run_migrations()


def _stamp(context: Any, move: Move) -> None:
    if is_memory(move.db.migration_url):
        raise InMemoryDatabase(None)
    with moving(move.db.migration_url) as connection:
        context.configure(connection=connection, **move.project.alembic_options())
        with context.begin_transaction():
            context.run_migrations()


def _write_sql(context: Any, move: Move) -> None:
    url = move.db.migration_url
    if url.get_backend_name() == "sqlite":
        raise SqlNotSupported(move.database)
    context.configure(
        url=url,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **move.project.alembic_options(),
    )
    with context.begin_transaction():
        context.run_migrations()


def _compare(context: Any, project: Project, *, only_changes: bool) -> None:
    """Compare the models with the migrations, in a scratch database at head, for `alembic revision` and `check`."""
    from antarest.migration import authoring, walk

    with walk.scratch_at(project, project.history.heads) as connection:
        options = authoring.autogenerate_options(project, only_changes=only_changes)
        context.configure(connection=connection, **project.alembic_options(), **options)
        with context.begin_transaction():
            context.run_migrations()


def _finish_revision_file(project: Project, path: str) -> None:
    from antarest.migration import authoring, rollback_script

    authoring.format_file(path)
    rollback_script.sync(Project.load(project.ini))  # Read anew: the history has one more revision now.


# ---- plain `alembic`


@contextmanager
def _command_line(context: Any) -> Iterator[None]:
    """Set up logging as `alembic.ini` says, and print an error of ours in our shape.

    Called by a program rather than by the console script (`command.upgrade(config, "head")`), errors are raised, and the
    program keeps its own logging.
    """
    is_program = context.config.cmd_opts is None
    if not is_program and context.config.config_file_name:
        logging.config.fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    try:
        yield
    except AntarestError as error:
        if is_program:
            raise
        from antarest.migration import report

        sys.stderr.write(report.render_error(error))
        raise SystemExit(error.exit_code) from None


class _LogListener(Silence):
    """Alembic logs the revisions itself; only our own notes are missing from it."""

    def note(self, text: str) -> None:
        """Log the note."""
        log.info("%s", text)


def _plain_move(context: Any, project: Project) -> Move:
    arguments = context.get_x_argument() if context.config.cmd_opts else []
    named = [argument.partition("=")[2] for argument in arguments if argument.startswith("config=")]
    config = load_config(named[-1] if named else None)
    move = Move(
        project=project,
        db=config.db,
        listener=_LogListener(),
        agreement=Agreement(everything="allow-data-loss" in arguments),
    )
    log.info("Database %s, configuration %s", move.database, config.source)
    return move
