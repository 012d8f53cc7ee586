"""Runs the `env.py` of a project once, on a scratch database, to read the options that `env.py` gives to Alembic.

During the run, `env.py` can only reach the scratch database. Every engine of SQLAlchemy, sync or async, connects to
this database, because a listener for the event `do_connect` applies to all engines. Other connections are refused.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, event

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject
from ..errors.revision import VersionTable
from ..errors.settings.urls import redact_url
from ..errors.text import described
from ..project.env_options import ASKED, Options
from ..scratch.runner import without_output
from .target import Target

_OWN_OPTIONS = ("script", "fn", "as_sql", "destination_rev", "starting_rev", "tag", "template_args", "connection")
_IS_READ = ("SELECT", "SHOW", "PRAGMA", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
_DRIVERS = {"postgresql": ("psycopg2", "asyncpg"), "sqlite": ("pysqlite", "aiosqlite")}
# Functions in C, which open every connection of psycopg 2 and 3. Python has no audit event for these connections.
_OF_LIBPQ = {"psycopg2": "_connect", "psycopg.generators": "connect"}
# Drivers refuse an unknown option with messages such as: 'x' is an invalid keyword argument
_UNKNOWN_OPTION = re.compile(r"""(?:keyword argument |connection option |^)["'](\w+)["']""")
_NEEDS_ASYNC = "requires an async driver"  # from a message of SQLAlchemy
ENFORCES_KEYS = "PRAGMA foreign_keys=ON"
"""The statement with which a connection to SQLite begins to enforce foreign keys."""

_guard: dict[str, Callable[[str], None]] = {}  # The audit hook, which cannot be removed, calls this.


class ConnectionRefusedByProof(PermissionError):
    """A connection of `env.py` was refused, because it does not lead to the scratch database."""


@dataclass
class EnvRun:
    """The results of a run of an `env.py`.

    Attributes:
        options: the options that `env.py` passed to `context.configure`.
        statements: the statements that `env.py` executed before the revisions, such as `SET search_path`.
        refused: the connections to other databases that `env.py` tried to open.
    """

    options: dict[str, Any] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@contextmanager
def own_surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    """Give this process some environment variables, and a new folder as its home, working and temporary folder.

    The new folder is deleted at the end of the `with` block.
    """
    with tempfile.TemporaryDirectory(prefix="antarest-env-") as folder:
        os.environ |= {"HOME": folder, "TMPDIR": folder, **variables}
        tempfile.tempdir = None
        os.chdir(folder)
        yield


def run_env(target: Target, connection: Connection, url: URL) -> EnvRun:
    """Run `env.py`, without any revision. If `env.py` needs an async driver, run it again with such a driver.

    Args:
        target: the project.
        connection: a connection to an empty scratch database. `env.py` can take it from `config.attributes`.
        url: the URL of the scratch database.

    Raises:
        InvalidProject: `env.py` raised an error.
    """
    backend = url.get_backend_name()
    driver, async_driver = _DRIVERS[backend]
    try:
        return _run(target, connection, url.set(drivername=f"{backend}+{driver}"))
    except InvalidProject as error:
        if _NEEDS_ASYNC not in error.message:
            raise
    return _run(target, connection, url.set(drivername=f"{backend}+{async_driver}"))


def _run(target: Target, connection: Connection, named: URL) -> EnvRun:
    found = EnvRun()
    config = target.config
    config.attributes["connection"] = connection
    answers = config.attributes[ASKED] = list[Options]()  # from an `env.py` that calls `environment.run`
    config.set_main_option("sqlalchemy.url", named.render_as_string(hide_password=False).replace("%", "%%"))

    def run_none(_revisions: object, context: MigrationContext) -> list[Any]:
        own = context.connection if context.dialect.name == "sqlite" else None
        if own is not None and own.exec_driver_sql("PRAGMA foreign_keys").scalar():
            found.statements.append(ENFORCES_KEYS)
        return []

    environment = EnvironmentContext(config, target.script, fn=run_none, destination_rev="heads")
    try:
        with without_output(), _led_to(named, found), environment:
            target.script.run_env()
    except (Exception, SystemExit) as error:
        refused = f" ({'; '.join(found.refused)})" if found.refused else ""
        env = (target.project.scripts or target.project.root) / "env.py"
        raise InvalidProject(env, f"it raises {described(error)}{refused}", _hint(error)) from error
    finally:
        for name in ("connection", ASKED):
            config.attributes.pop(name, None)
    opts = answers[0] if answers else _given(environment.context_opts)
    found.options = {name: value for name, value in opts.items() if name not in _OWN_OPTIONS and value is not None}
    return found


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without those that have Alembic's default, because `env.py` has probably not given these."""
    parameters = inspect.signature(EnvironmentContext.configure).parameters
    defaults = {name: each.default for name, each in parameters.items()}
    return {name: value for name, value in options.items() if value is not defaults.get(name, inspect.Parameter.empty)}


def _hint(error: BaseException) -> Hint:
    if not isinstance(error, ModuleNotFoundError):
        return Hint("Give it the variables that it needs", "inv db.verify --run-env --env=NAME=VALUE")
    if error.name in {name for _, name in _DRIVERS.values()}:
        return Hint("Install the driver", f"pip install {error.name}")
    return Hint("Install the package that has this module, or name its folder", "export PYTHONPATH=FOLDER")


def with_options_of_env(target: Target, run: EnvRun) -> Target:
    """Return the target with the options from a run of `env.py`.

    These options replace the options that were read from the source of `env.py`.
    """
    options = dict(run.options)
    version_table = VersionTable(options.get("version_table") or target.project.version_table.name)
    commits_each = bool(options.pop("transaction_per_migration", False))
    made = replace(
        target,
        project=replace(target.project, named_version_table=version_table),
        commits_each=commits_each,
        enforces_keys=ENFORCES_KEYS in run.statements,
        unknown=(),
        models_problem="",
    )
    made.env_options.update(options)
    return made


@contextmanager
def _led_to(url: URL, found: EnvRun) -> Iterator[None]:
    """Inside the `with` block, let every engine connect to the scratch database, and refuse every other connection."""
    inside: list[bool] = []

    def refuse(what: str) -> None:
        if not inside:
            found.refused.append(what)
            raise ConnectionRefusedByProof(f"the proof refuses {what}")

    def connect(dialect: Any, _record: object, arguments: Any, named: Any) -> Any:
        if dialect.name != url.get_backend_name():
            place = URL.create(dialect.name, named.get("user"), named.get("password"), named.get("host"))
            found.refused.append(f"an engine of {redact_url(place)}")
            raise ConnectionRefusedByProof(
                f"the proof is on {url.get_backend_name()}, and env.py connects to {redact_url(place)}"
            )
        own = dialect.create_connect_args(url.set(drivername=f"{dialect.name}+{dialect.driver}"))
        arguments[:], extra = own[0], own[1]
        for key in {"host", "port", "user", "password", "dbname", "database", "dsn"} & named.keys():
            del named[key]
        named.update(extra)
        inside.append(True)
        try:
            return _connected(dialect, arguments, named)
        finally:
            inside.pop()

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        if not statement.lstrip().upper().startswith(_IS_READ):
            found.statements.append(statement)

    with ExitStack() as stack:
        listeners: dict[str, Callable[..., Any]] = {"do_connect": connect, "before_cursor_execute": note}
        for name, listener in listeners.items():
            event.listen(Engine, name, listener)
            stack.callback(event.remove, Engine, name, listener)
        stack.enter_context(_watched(refuse))
        yield


def _connected(dialect: Any, arguments: Any, named: dict[str, Any]) -> Any:
    """Connect. If the driver does not know an option, remove the option and try again.

    `env.py` may have set the option for another driver.
    """
    while True:
        try:
            return dialect.connect(*arguments, **named)
        except Exception as error:
            unknown = _UNKNOWN_OPTION.search(str(error))
            if not unknown or unknown[1] not in named:
                raise
            del named[unknown[1]]


@contextmanager
def _watched(refuse: Callable[[str], None]) -> Iterator[None]:
    """Inside the `with` block, call `refuse` for each connection that does not come from an engine.

    Such a connection is opened by sqlite3, by psycopg2, by psycopg 3, or by the socket of any other driver.
    """

    def refused(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(*arguments: Any, **named: Any) -> Any:
            refuse(f"{name}.connect()")
            return original(*arguments, **named)

        return connect

    if not _guard:
        sys.addaudithook(_audit)
    _guard["refuse"] = refuse
    with ExitStack() as stack:
        stack.callback(_guard.update, refuse=lambda _what: None)
        for place, attribute in _OF_LIBPQ.items():
            with suppress(ImportError):  # Perhaps only one of the two drivers is installed.
                module: Any = importlib.import_module(place)
                original = getattr(module, attribute)
                stack.callback(setattr, module, attribute, original)
                setattr(module, attribute, refused(place.partition(".")[0], original))
        yield


def _audit(name: str, arguments: tuple[Any, ...]) -> None:
    if name == "sqlite3.connect":
        _guard["refuse"](f"sqlite3.connect({_shown(arguments[0])})")
    elif name == "socket.connect" and len(arguments) > 1:
        _guard["refuse"](f"a connection to {arguments[1]}")


def _shown(name: object) -> str:
    with suppress(TypeError):
        return repr(str(Path(os.fsdecode(name))))  # type: ignore[arg-type]
    return repr(name)
