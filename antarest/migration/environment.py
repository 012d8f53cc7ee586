"""What `env.py` runs: the one way in for everything that Alembic does.

`alembic upgrade head`, `inv db.upgrade`, an application that upgrades itself and the tests all come through `run()`.
The workflow hands its wishes over in a `Move`; for plain `alembic` one is made from the configuration file and the `-x`
options (`-x config=PATH`, `-x allow-data-loss`, `-x backup`, `-x lock-timeout=SECONDS`).
"""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import write_hooks
from sqlalchemy import Connection

from . import backup
from .branches.writing import Writing, autogenerate_options, format_file
from .database.connection import looking, moving, read_current
from .database.lock import in_this_process, one_writer
from .database.record import Recorder
from .errors.base import EXIT_INTERRUPTED, AntarestError
from .errors.facts.refusal import InMemoryDatabase, SqlNotSupported
from .errors.listener import Silence
from .errors.loss import Agreement
from .errors.rendering import interrupted, render_error
from .errors.settings.config import load_config
from .errors.settings.db_config import with_lock_timeout
from .errors.settings.urls import is_memory
from .project import rollback_script
from .project.project import Project
from .project.revision_files import importing, parse_revision
from .project.revision_store import RevisionStore, keeping
from .run.move import ATTRIBUTE, Move
from .run.runner import carry_out
from .scratch.migrated import scratch_at

log = logging.getLogger("alembic.antarest")


def run(context: Any) -> None:
    """Do what the Alembic command that called `env.py` asks for.

    Args:
        context: the module `alembic.context`.

    Raises:
        AntarestError: when the workflow called; for plain `alembic` the error is printed and the process exits.
    """
    request = context.config.attributes.get(ATTRIBUTE)
    project = request.project if request else _project_of(context.config)
    write_hooks.register("antarest")(lambda path, _options: _finish_revision_file(project, path))
    if request:
        _dispatch(context, project, lambda: request)
        return
    with _command_line(context), importing(project.versions):
        project.refuse_others(context.script._version_locations)  # noqa: SLF001 - no public one
        _dispatch(context, project, lambda: _plain_move(context, project))


def _project_of(config: Config) -> Project:
    """The project of the files that Alembic was started with, of which it lets both be missing."""
    names = (config.config_file_name, config.toml_file_name)
    return Project.load(next((name for name in names if name and Path(name).is_file()), None))


def _dispatch(context: Any, project: Project, get_move: Callable[[], Move]) -> None:
    options = context._proxy.context_opts  # noqa: SLF001 - which command it is, Alembic says only here
    if "revision_context" in options:
        project.refuse_installed()
        request = context.config.attributes.get(ATTRIBUTE)
        _compare(context, request if isinstance(request, Writing) else Writing(project))
    elif context.is_offline_mode():
        _write_sql(context, get_move())
    elif (command := options["fn"].__name__) in ("upgrade", "downgrade", "sync"):
        move = get_move()
        with _naming_backup(move):
            carry_out(context, move, options["fn"], options.get("destination_rev"))
    elif command in ("do_stamp", "do_ensure_version"):
        _stamp(context, get_move())
    elif command != "nothing":  # That is `alembic merge`, which needs our write hook only.
        _read(context, get_move())


@contextmanager
def _naming_backup(move: Move) -> Iterator[None]:
    """Whatever fails after a backup was made says where it is."""
    try:
        yield
    except AntarestError as error:
        if move.backup:
            error.details["backup"] = str(move.backup)
        raise


# ---- everything else that Alembic does


def _read(context: Any, move: Move) -> None:
    with looking(move.db) as connection:
        move.project.refuse_unknown(read_current(connection, move.project.version_table), move.database)
        connection.rollback()  # Alembic must find the connection without a transaction.
        context.configure(connection=connection, dont_mutate=True, **move.project.alembic_options())
        with context.begin_transaction():
            context.run_migrations()


def _stamp(context: Any, move: Move) -> None:
    if is_memory(move.db.migration_url):
        raise InMemoryDatabase(None)
    with (
        in_this_process(move.db, move.patience),
        one_writer(move.db, move.project.version_table, move.patience) as writer,
        moving(move.db, writer.begin) as connection,
    ):
        context.configure(connection=connection, **move.project.alembic_options())
        with context.begin_transaction():
            context.run_migrations()
            _record_stamp(context, move, connection)
            writer.check(connection)


def _record_stamp(context: Any, move: Move, connection: Connection) -> None:
    """Note where the database is said to be now; `alembic ensure_version` says nothing."""
    recorder, history = (
        Recorder(connection, move.project, keeping(move.project.repository), move.listener.note),
        move.project.history,
    )
    for revision in context.get_context().get_current_heads():
        if revision in history:
            recorder.add(history[revision], "stamp")
    recorder.write()


def _write_sql(context: Any, move: Move) -> None:
    url = move.db.migration_url
    if url.get_backend_name() == "sqlite":
        raise SqlNotSupported(move.database)
    history = move.project.history
    context.configure(
        url=url,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        # A script has no segments; where one revision needs a boundary, there is one between any two.
        transaction_per_migration=any(history[id_].transaction for id_ in history.order),
        **move.project.alembic_options(),
    )
    with context.begin_transaction():
        context.run_migrations()


def _compare(context: Any, writing: Writing) -> None:
    """Compare the models with the migrations, in a scratch database at head, for `alembic revision` and `check`."""
    project = writing.project
    with scratch_at(project, project.history.heads) as connection:
        options = autogenerate_options(writing)
        context.configure(connection=connection, **project.alembic_options(), **options)
        with context.begin_transaction():
            context.run_migrations()


def _finish_revision_file(project: Project, path: str) -> None:
    format_file(path)
    if project.repository:
        content = Path(path).read_bytes()
        RevisionStore(project.repository).note_generated(parse_revision(content, Path(path)).id, content)
    rollback_script.sync(Project.load(project.ini))  # Read anew: the history has one more revision now.


# ---- plain `alembic`


@contextmanager
def _command_line(context: Any) -> Iterator[None]:
    """Set up logging as `alembic.ini` says, and print an error of ours in our shape.

    Called by a program rather than by the console script (`command.upgrade(config, "head")`), errors are raised, and
    the program keeps its own logging.
    """
    is_program = context.config.cmd_opts is None
    if not is_program and context.config.config_file_name and context.config.file_config.has_section("loggers"):
        logging.config.fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    try:
        yield
    except AntarestError as error:
        if is_program:
            raise
        sys.stderr.write(render_error(error))
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        if is_program:
            raise
        sys.stderr.write(f"\n{interrupted()}")
        raise SystemExit(EXIT_INTERRUPTED) from None


class _LogListener(Silence):
    """Alembic logs the revisions itself; only our own notes are missing from it."""

    def note(self, text: str) -> None:
        """Log the note."""
        log.info("%s", text)


def _plain_move(context: Any, project: Project) -> Move:
    arguments = context.get_x_argument() if context.config.cmd_opts else []
    named = dict(argument.partition("=")[::2] for argument in arguments)
    config = load_config(named.get("config"), sections=project.settings())
    db = with_lock_timeout(config.db, named.get("lock-timeout"), "-x lock-timeout")
    move = Move(
        project=project,
        db=replace(db, backup=db.backup or "backup" in named),
        listener=_LogListener(),
        agreement=Agreement(everything="allow-data-loss" in named),
        before_change=backup.before_change,
    )
    log.info("Database %s, configuration %s", move.database, config.source)
    return move
