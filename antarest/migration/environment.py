"""The entry point of `env.py`, for every command of Alembic.

    environment.run(context, target_metadata=Base.metadata, compare_type=False)

`run` takes the options of `context.configure`, and every command respects them.

`run` is called by `alembic upgrade head`, by `inv db.upgrade`, by an application that upgrades its database, and by the
tests. The workflow passes a `RunRequest`. For plain `alembic`, `run` makes a `RunRequest` from the configuration file
and the `-x` options (`-x config=PATH`, `-x allow-data-loss`, `-x backup`, `-x from-base`, `-x lock-timeout=SECONDS`).
"""

from __future__ import annotations

import logging
import logging.config
import traceback
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from alembic.config import Config
from alembic.script import write_hooks
from alembic.util import to_tuple
from sqlalchemy import URL, Connection, make_url

from .branches.writing import Writing, comparison_options, correct_comparison, format_file
from .commands.explained import explain, masked
from .commands.output import complain, heard_failures, require_reported
from .database.connection import looking, moving, read_current
from .database.lock import in_this_process, one_writer
from .database.record import Recorder, make_schema_of
from .errors.base import EXIT_INTERRUPTED, NOTHING_CHANGED, AntarestError, Hint
from .errors.facts.project import InvalidProject
from .errors.facts.refusal import InMemoryDatabase, SqlNotSupported
from .errors.facts.run import AlembicRefused, UnexpectedFailure
from .errors.listener import Listener
from .errors.loss import Agreement
from .errors.rendering import interrupted, render_error
from .errors.settings.config import Config as AppConfig
from .errors.settings.config import load_config
from .errors.settings.db_config import DbConfig, with_lock_timeout
from .errors.settings.urls import is_memory, redact
from .losses.deferred import AS_STATEMENT
from .project import rollback_script
from .project.env_options import ASKED, CALLED_AGAIN
from .project.history import History
from .project.project import Project
from .project.revision_files import importing, parse_revision
from .project.revision_store import RevisionStore, keeping
from .run.before_commit import naming_blockers
from .run.request import OUTCOME, REQUEST, RunRequest, refuse_other_database
from .run.runner import run as run_revisions
from .scratch.comparison import connected_at_head
from .workflow.unrecorded import before_change

log = logging.getLogger("alembic.antarest")
_RUNNING = "antarest_running"


def run(context: Any, **options: Any) -> None:
    """Carry out the Alembic command that called `env.py`.

    Args:
        context: the module `alembic.context`.
        options: the options of `context.configure`, such as `target_metadata`, `include_object` or `version_table`.

    Raises:
        AntarestError: the command failed, or the workflow cannot respect an option, such as `connection`. If the
            command is plain `alembic`, the error is printed instead, and the process exits.
    """
    attributes = context.config.attributes
    if (answers := attributes.get(ASKED)) is not None:
        answers.append(options)
        return
    request = attributes.get(REQUEST)
    if request:
        _refuse_second_call(context, request.project)
        request.project.env.tell(context.config, options)
        _dispatch(context, request.project, lambda: request)
        return
    with _command_line(context):
        project = _project_of(context.config)
        _refuse_second_call(context, project)
        _refuse_other_folders(project, context.script._version_locations)  # noqa: SLF001 - no public one
        project.env.tell(context.config, options)
        with importing(project.versions):
            _dispatch(context, project, lambda: _plain_request(context, project))


def _refuse_second_call(context: Any, project: Project) -> None:
    """Refuse a second call of `run` in `env.py`, because that call might have other options or another database."""
    attributes, running = context.config.attributes, context._proxy  # noqa: SLF001 - it is new for each command
    if attributes.get(_RUNNING) is running:
        done = attributes[OUTCOME]
        error = InvalidProject(project.ini, CALLED_AGAIN, Hint("Fix env.py, then look again", "inv db.check"))
        error.state = done.state() if done else NOTHING_CHANGED
        raise error
    attributes[_RUNNING], attributes[OUTCOME] = running, None


def _project_of(config: Config) -> Project:
    """Return the project whose settings file Alembic has read. If Alembic has read no file, look for a project."""
    names = (config.config_file_name, config.toml_file_name)
    project = Project.load(next((name for name in names if name and Path(name).is_file()), None))
    return replace(project, x_arguments=tuple(getattr(config.cmd_opts, "x", None) or ()))


def _refuse_other_folders(project: Project, folders: Iterable[str | Path]) -> None:
    """Refuse to run if Alembic and the workflow read revisions from different folders.

    This happens if Alembic was started in another folder, or with another section of `alembic.ini`.
    """
    theirs = [Path(each).resolve() for each in folders]
    if theirs != [each.resolve() for each in project.versions]:
        where = ", ".join(map(str, theirs))
        reason = f"Alembic reads the revisions of {where}, and this workflow those of {project.folder}"
        raise InvalidProject(project.ini, reason, Hint("Start it in the project, without --name", "alembic history"))


def _dispatch(context: Any, project: Project, get_request: Callable[[], RunRequest]) -> None:
    write_hooks.register("antarest")(lambda path, _options: _finish_revision_file(project, path))
    options = context._proxy.context_opts  # noqa: SLF001 - Alembic has no public way to say which command it is
    purpose = purpose_of(options)
    if purpose == "compare":
        project.refuse_installed()
        writing = context.config.attributes.get(REQUEST)
        by_us = isinstance(writing, Writing)
        _compare(context, writing if by_us else Writing(project), lambda: get_request().db)
    elif context.is_offline_mode():
        _write_sql(context, get_request())
    elif purpose == "run":
        outcome = run_revisions(context, get_request(), options["fn"], options["destination_rev"])
        context.config.attributes[OUTCOME] = outcome
    elif purpose == "stamp":
        _stamp(context, get_request())
    elif purpose == "read":
        _read(context, get_request())


def purpose_of(options: Container[str]) -> Literal["run", "stamp", "compare", "merge", "read"]:
    """Return the purpose of the Alembic command that called `env.py`.

    Args:
        options: the names of the arguments that the command gave to Alembic's context. They differ between commands.

    Returns:
        `run` for upgrade, downgrade and our own sync; `stamp` for stamp and ensure_version; `compare` for revision and
        check; `merge` for merge, which needs our write hook only; `read` for current, history, show and edit.
    """
    if "revision_context" in options:
        return "compare"
    if "purge" in options:
        return "stamp"
    if "destination_rev" in options:
        return "run"
    if "template_args" in options:
        return "merge"
    return "stamp" if "as_sql" in options else "read"


# ---- everything else that Alembic does


def _read(context: Any, request: RunRequest) -> None:
    with looking(request.db, request.listener.note) as connection:
        request.project.refuse_unknown(read_current(connection, request.project.version_table), request.database)
        connection.rollback()  # Alembic must find the connection without a transaction.
        context.configure(connection=connection, dont_mutate=True, **request.project.alembic_options())
        with context.begin_transaction():
            context.run_migrations()


def _stamp(context: Any, request: RunRequest) -> None:
    if is_memory(request.db.migration_url):
        raise InMemoryDatabase(None)
    with (
        in_this_process(request.db, request.patience()),
        one_writer(request.db, request.project.version_table, request.patience()) as writer,
        naming_blockers("the stamp", request, writer),
        moving(request.db, writer.begin) as connection,
    ):
        context.configure(connection=connection, **request.project.alembic_options())
        with context.begin_transaction():
            make_schema_of(request.project.version_table, connection)
            context.run_migrations()
            _record_stamp(context, request, connection)
            writer.check(connection)


def _record_stamp(context: Any, request: RunRequest, connection: Connection) -> None:
    """Record the revisions with which the database was stamped. `alembic ensure_version` stamps no revision."""
    history, keep = request.project.history, keeping(request.project.repository)
    recorder = Recorder(connection, request.project, keep, request.listener.note)
    for revision in context.get_context().get_current_heads():
        if revision in history:
            recorder.add(history[revision], "stamp")
    recorder.write()


def _write_sql(context: Any, request: RunRequest) -> None:
    url = request.db.migration_url
    if url.get_backend_name() == "sqlite":
        raise SqlNotSupported(request.database)
    history = request.project.history
    options = {"dialect_opts": {"paramstyle": "named"}, **request.project.alembic_options()}
    options |= {
        "literal_binds": True,
        "on_version_apply": (*to_tuple(options.get("on_version_apply"), ()), *_checks_of_deferred(context, history)),
        # If any revision needs a commit before and after it, the script commits after each revision.
        "transaction_per_migration": request.project.commits_each
        or any(history[id_].transaction for id_ in history.order),
    }
    context.configure(url=url, **options)
    with context.begin_transaction():
        context.run_migrations()


def _checks_of_deferred(context: Any, history: History) -> Iterator[Callable[..., None]]:
    """Yield a callback that checks deferred constraints after each revision.

    If no revision file mentions deferred constraints, yield nothing.
    """
    if any(b"deferr" in history[id_].path.read_bytes().lower() for id_ in history.order):
        yield lambda **_about_the_step: context.execute(AS_STATEMENT)


def _compare(context: Any, writing: Writing, get_db: Callable[[], DbConfig]) -> None:
    """Compare the models with the migrations, in a scratch database at head, for `alembic revision` and `check`."""
    project, asked = writing.project, context._proxy.context_opts["revision_context"].command_args  # noqa: SLF001
    with ExitStack() as stack:
        if not asked.get("autogenerate"):  # Nothing is compared, so any connection will do.
            connection = stack.enter_context(moving(make_url("sqlite://")))
        elif writing.at_head is None:
            connection = stack.enter_context(connected_at_head(project, get_db()))
        else:
            connection = stack.enter_context(moving(writing.at_head))
        context.configure(connection=connection, **comparison_options(writing, connection))
        correct_comparison(context.get_context())
        with context.begin_transaction():
            context.run_migrations()


def _finish_revision_file(project: Project, path: str) -> None:
    format_file(path)
    if project.repository:
        content = Path(path).read_bytes()
        RevisionStore(project.repository).note_generated(parse_revision(content, Path(path)).id, content)
    rollback_script.sync(Project.load(project.ini))  # Load it again: the history has one more revision now.


# ---- plain `alembic`


@contextmanager
def _command_line(context: Any) -> Iterator[None]:
    """Set up logging as `alembic.ini` says, and print our own errors in our own format.

    If a program calls Alembic, for example with `command.upgrade(config, "head")`, errors are raised, and the program
    keeps its own logging.
    """
    if context.config.cmd_opts is None:
        yield
        return
    if context.config.config_file_name and context.config.file_config.has_section("loggers"):
        logging.config.fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    lost = heard_failures()
    try:
        yield
        require_reported(context.config.attributes.get(OUTCOME), lost)
    except AntarestError as error:
        _complain(masked(error, *_known_urls(context)))
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        complain(f"\n{interrupted()}")
        raise SystemExit(EXIT_INTERRUPTED) from None
    except Exception as error:
        urls = _known_urls(context)
        known, shown = explain(error, None, *urls), "".join(traceback.format_exception(error))
        is_theirs = isinstance(known, (AlembicRefused, UnexpectedFailure))
        if is_theirs and redact(shown, *urls) == shown:  # Alembic prints its own errors, and a traceback.
            raise
        known.state = "What was not committed was rolled back."
        _complain(known)
        raise SystemExit(known.exit_code) from None


def _complain(error: AntarestError) -> None:
    error.hints = tuple(hint for hint in error.hints if "--debug" not in hint.text)  # Alembic has no such flag.
    complain(render_error(error))


def _known_urls(context: Any) -> Sequence[URL]:
    """Return the URLs of the configuration, whose passwords are masked; empty if it cannot be read."""
    with suppress(Exception):  # It matters less than the error that is being printed.
        return _configuration(context, _project_of(context.config)).db.urls
    return ()


class _LogListener(Listener):
    """A listener that logs our own notes. Alembic logs the revisions itself."""

    def note(self, text: str) -> None:
        """Log the note."""
        log.info("%s", text)


def _x_arguments(context: Any) -> dict[str, str]:
    return dict(each.partition("=")[::2] for each in (context.get_x_argument() if context.config.cmd_opts else []))


def _configuration(context: Any, project: Project) -> AppConfig:
    return load_config(_x_arguments(context).get("config"), sections=project.settings(), home=project.root)


def _plain_request(context: Any, project: Project) -> RunRequest:
    named, config = _x_arguments(context), _configuration(context, project)
    refuse_other_database(context.config, project.ini, config.db)
    db = with_lock_timeout(config.db, named.get("lock-timeout"), "-x lock-timeout")
    request = RunRequest(
        project=project,
        db=replace(db, backup=db.backup or "backup" in named),
        listener=_LogListener(),
        agreement=Agreement(everything="allow-data-loss" in named),
        before_change=before_change,
        from_base="from-base" in named,
        upgrades_to=_targets(context, project),
    )
    log.info("Database %s, configuration %s", request.database, config.source)
    return request


def _targets(context: Any, project: Project) -> tuple[str, ...]:
    """Return the targets of `alembic upgrade`; empty for other commands, and for a relative target such as `+2`."""
    options, history = context._proxy.context_opts, project.history  # noqa: SLF001 - as in `_dispatch`
    named = options.get("destination_rev")
    if getattr(options.get("fn"), "__name__", "") != "upgrade" or named is None:
        return ()
    with suppress(AntarestError):  # Alembic itself raises an error for an unknown target.
        found = history.heads if named == "heads" else (history.resolve(named),)
        return tuple(id_ for id_ in found if id_ in history)
    return ()
