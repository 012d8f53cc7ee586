"""The options that a project's `env.py` gives to `environment.run`. They are options of `context.configure`.

To get the options, a command runs `env.py` in a mode in which `environment.run` only keeps the options. In this mode
no connection is opened, and logging stays as it is. Because `env.py` may import a whole application, a process runs it
in this mode only once, and only for commands that need the options.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import inspect
import io
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors.base import AntarestError, Hint
from ..errors.facts.project import EnvNotAdopted, InvalidProject
from ..errors.revision import VersionTable
from ..errors.syntax import parse
from ..errors.text import described

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy import MetaData

Options = Mapping[str, Any]
"""Options of `context.configure`, by name."""

ASKED = "antarest_asked"
"""The attribute of Alembic's configuration in which `environment.run` only stores its options."""

ALEMBIC = threading.RLock()
"""The lock that lets only one thread of this process call Alembic, because Alembic's context is global."""

_REFUSED = {
    "connection": "the workflow opens the connection itself",
    **dict.fromkeys(("url", "dialect_name"), "the configuration names the database"),
    "starting_rev": "the database says at which revision it is",
    "output_buffer": "the workflow decides where SQL is written",
    "fn": "the workflow decides which revisions run",
    "as_sql": "the command decides that",
}
CALLED_AGAIN = "env.py calls environment.run more than once: one database, one call"
_MORE_NAMES = ("version_table", "version_table_schema", "version_table_pk")
_FIX = Hint("Fix env.py, then look again", "inv db.check")
_LITERAL = re.compile(r"\bversion_table(?:_schema)?\b")

_known: dict[tuple[Path, bytes, tuple[str, ...]], Options] = {}


def checked(path: Path, options: Options) -> Options:
    """Return the options of `env.py`, after a check that the workflow can respect them.

    Args:
        path: the settings file of the project, for the error.
        options: the options that `env.py` gave.

    Raises:
        InvalidProject: the workflow cannot respect an option, or the name of an option is misspelt.
    """
    # Imported here: `env.py` is running, so Alembic is there; other commands start without it.
    from alembic.runtime.environment import EnvironmentContext

    known = {*inspect.signature(EnvironmentContext.configure).parameters, *_MORE_NAMES} - {"self", "kw"}
    for name, value in options.items():
        if name in _REFUSED:
            raise InvalidProject(path, f"env.py gives the option {name}, and {_REFUSED[name]}: leave it out", _FIX)
        nearest = [] if name in known else difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if nearest:
            raise InvalidProject(path, f"env.py gives the option {name}: did you mean {nearest[0]}?", _FIX)
        if name == "transactional_ddl" and value is False:
            reason = "env.py says transactional_ddl=False, and every run here is one transaction: leave it out"
            raise InvalidProject(path, reason, _FIX)
    return {name: value for name, value in options.items() if name != "literal_binds"}  # It is for SQL only.


@dataclass(frozen=True)
class EnvFile:
    """The `env.py` of a project.

    Attributes:
        path: the path of `env.py`.
        ini: the settings file of the project, for errors.
        make_config: returns Alembic's configuration of the project.
        named: the version table that the settings name; None if the settings do not name it.
    """

    path: Path
    ini: Path
    make_config: Callable[[], Config]
    named: VersionTable | None

    @property
    def name(self) -> str:
        """The name of the file, without its folder."""
        return self.path.name

    @property
    def options(self) -> Options:
        """The options that `env.py` gives to `environment.run`. The first use in a process runs `env.py`.

        Raises:
            EnvNotAdopted: `env.py` did not call `environment.run`, opened a connection, or failed.
            InvalidProject: the workflow cannot respect one of the options.
        """
        if not self.path.is_file():
            return {}
        config = self.make_config()
        with ALEMBIC:
            if (key := _key(config, self.path)) not in _known:
                self.tell(config, _run(config, self.ini))
            return _known[key]

    @cached_property
    def version_table(self) -> VersionTable:
        """The table in which the database records its current revisions.

        The name comes from the settings, or else from the text of `env.py`. If `env.py` computes the name, `env.py` is
        run.
        """
        return self.named or _version_table_in(self.path) or named_table(self.options) or VersionTable()

    def refuse_schema(self, engine: str) -> None:
        """Refuse a version table in a separate schema, if the engine has no schemas.

        Raises:
            InvalidProject: the engine is SQLite, and the project names a schema.
        """
        if engine == "sqlite" and (schema := self.version_table.schema):
            raise InvalidProject(self.ini, f"version_table_schema is {schema}, and SQLite has no schemas", _FIX)

    def tell(self, config: Config, options: Options) -> None:
        """Store the options of the `env.py` that is running.

        Args:
            config: the configuration with which Alembic runs `env.py`.
            options: the options that `env.py` gave to `environment.run`.

        Raises:
            InvalidProject: the workflow cannot respect one of the options, or the settings name another version table.
        """
        options = checked(self.ini, options)
        if "." in (options.get("version_table") or ""):
            raise InvalidProject(self.ini, "env.py gives a version_table with a dot: use version_table_schema", _FIX)
        _known[_key(config, self.path)] = options
        there = named_table(options)
        if there and there != self.version_table:
            del _known[_key(config, self.path)]
            reason = f"env.py says that the version table is {there}, and [antarest] says {self.version_table}"
            raise InvalidProject(self.ini, f"{reason}: make them equal", _FIX)


def _key(config: Config, env: Path) -> tuple[Path, bytes, tuple[str, ...]]:
    arguments = getattr(config.cmd_opts, "x", None) or ()
    return env.resolve(), env.read_bytes(), tuple(arguments)


def _run(config: Config, path: Path) -> Options:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    answers, scripts = list[Options](), ScriptDirectory.from_config(config)
    config.attributes[ASKED] = answers

    def refuse(*_: object) -> Any:
        raise EnvNotAdopted(path, asked=True)

    environment = EnvironmentContext(config, scripts, fn=refuse, as_sql=False, destination_rev=None)
    try:
        with _without_connections(path, scripts.env_py_location), undisturbed(), outer_kept(), environment:
            scripts.run_env()
    except AntarestError:
        raise
    except (Exception, SystemExit) as error:
        raise EnvNotAdopted(path, reason=described(error), asked=True) from error
    finally:
        del config.attributes[ASKED]
    if len(answers) > 1:
        raise InvalidProject(path, CALLED_AGAIN, _FIX)
    if not answers:
        raise EnvNotAdopted(path, asked=True)
    return answers[0]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hide the output of Alembic and `env.py` in the block, and leave logging as it is."""
    with logging_left_alone(), contextlib.redirect_stdout(io.StringIO()):
        yield


@contextmanager
def outer_kept() -> Iterator[None]:
    """If an `env.py` is running, restore its `alembic.context` after the block. The block uses another context."""
    from alembic import context

    outer = getattr(context, "_proxy", None)
    try:
        yield
    finally:
        if outer:
            outer._install_proxy()  # noqa: SLF001 - as its own `__enter__` does


def stand_in(environment: EnvironmentContext, drivername: str) -> None:
    """Give Alembic a context without a connection, for revision files that call `context.get_context()` at import.

    Args:
        environment: the environment of the Alembic command. Its `configure` replaces this context later.
        drivername: the dialect of this context, such as `sqlite` or `postgresql+psycopg2`.
    """
    from alembic.runtime.migration import MigrationContext

    context = MigrationContext.configure(dialect_name=drivername, environment_context=environment)
    environment._migration_context = context  # noqa: SLF001 - as its own `configure` does


@contextmanager
def _without_connections(path: Path, env: str) -> Iterator[None]:
    """Refuse every connection that this thread opens through SQLAlchemy in the block."""
    from sqlalchemy import Engine, event

    thread, is_adopted = threading.get_ident(), b"environment.run" in Path(env).read_bytes()

    def refuse(*_: object) -> None:
        if threading.get_ident() == thread:
            reason = "it, or a module that it imports, connects to a database, which only environment.run does"
            raise EnvNotAdopted(path, reason=reason if is_adopted else "", asked=True)

    event.listen(Engine, "do_connect", refuse)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", refuse)


@contextmanager
def logging_left_alone() -> Iterator[None]:
    """Let the functions that configure `logging` do nothing in the block: they could disable existing loggers.

    If a module is first imported in the block, it can keep the functions that do nothing. Therefore these functions
    call the original functions after the block.
    """
    import logging.config  # here, since few commands run `env.py`

    modules = {"fileConfig": logging.config, "dictConfig": logging.config, "basicConfig": logging}
    before: dict[str, Callable[..., object]] = {name: getattr(module, name) for name, module in modules.items()}
    inside = [threading.get_ident()]

    def configure(name: str, *arguments: Any, **named: Any) -> None:
        if threading.get_ident() not in inside:
            before[name](*arguments, **named)

    try:
        for name, module in modules.items():
            setattr(module, name, partial(configure, name))
        yield
    finally:
        inside.clear()
        for name, module in modules.items():
            setattr(module, name, before[name])


# ---- the version table, which every command needs


def _version_table_in(env: Path) -> VersionTable | None:
    """Return the version table that `env.py` names, read from its text without running it.

    Returns:
        The version table; None if only a run of `env.py` can tell.
    """
    try:
        text = env.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return VersionTable()
    is_adopted = re.search(r"\benvironment\.run\s*\(", text)
    if not _LITERAL.search(text) and ("**" not in text or not is_adopted):
        # A project that did not adopt the workflow can call a helper, which is not read.
        return VersionTable() if is_adopted or ".configure" in text else None
    try:
        nodes = [node for node in ast.walk(parse(text)) if isinstance(node, ast.Call)]
    except SyntaxError:
        return None
    calls = [_literals(call) for call in nodes if getattr(call.func, "attr", "") in ("run", "configure")]
    # Any other place with these names could change the values.
    if len({*calls}) != 1 or calls[0] is None or len(calls) * len(calls[0]) != len(_LITERAL.findall(text)):
        return None
    return named_table(dict(calls[0])) or VersionTable()


def _literals(call: ast.Call) -> tuple[tuple[str, str | None], ...] | None:
    """Return the name and the schema of the version table in a call of `run`. None if the call computes a value."""
    found = []
    for keyword in call.keywords:
        if keyword.arg is None:
            return None
        if _LITERAL.fullmatch(keyword.arg):
            if not isinstance(keyword.value, ast.Constant) or not isinstance(keyword.value.value, str | None):
                return None
            found.append((keyword.arg, keyword.value.value))
    return tuple(found)


def named_table(options: Options) -> VersionTable | None:
    """Return the version table that these options name; None if the options do not name it."""
    name, schema = options.get("version_table"), options.get("version_table_schema")
    return VersionTable(name or VersionTable().name, schema or "") if name or schema else None


# ---- the metadata of the models


def combined(path: Path, found: object) -> MetaData:
    """Return the metadata of the models as one `MetaData`.

    Args:
        path: the settings file of the project, for the error.
        found: the `target_metadata`: a `MetaData`, an object with a `metadata`, or a list of such objects.

    Raises:
        InvalidProject: `found` is something else, or the parts of the list have different naming conventions.
    """
    from sqlalchemy import MetaData

    parts = list(found) if isinstance(found, Sequence | set | frozenset) else [found]
    each: list[Any] = [getattr(part, "metadata", part) for part in parts]
    if not each or not all(isinstance(part, MetaData) for part in each):
        raise InvalidProject(path, f"the metadata of the models is no MetaData, but {type(found).__name__}", _FIX)
    if len(each) == 1:
        first: MetaData = each[0]
        return first
    if any(part.naming_convention != each[0].naming_convention for part in each):
        raise InvalidProject(path, "the parts of the metadata have different naming conventions: use one", _FIX)
    whole = MetaData(naming_convention=each[0].naming_convention, schema=each[0].schema)
    for part in each:
        for table in part.sorted_tables:
            table.to_metadata(whole)
        for sequence in part._sequences.values():  # noqa: SLF001 - SQLAlchemy has no public list of them
            whole._sequences.setdefault(sequence._key, sequence)  # noqa: SLF001
    return whole
