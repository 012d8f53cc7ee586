"""The project that is proved: its revisions, and everything that they need to run without its `env.py`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.script.base import Script
from sqlalchemy import MetaData

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject, InvalidRevisionFile
from ..errors.revision import Revision
from ..errors.text import described, first_line
from ..project.env_options import outer_kept, stand_in
from ..project.history import History
from ..project.project import Project
from ..project.revision_files import importing
from ..project.settings import config_of, search_paths
from ..scratch.databases import EngineName
from ..scratch.runner import ScratchRunner

Values = Mapping[str, Sequence[object]]

_PROGRAM = (__package__ or "").rpartition(".")[0]
_PACKAGE = _PROGRAM.partition(".")[0]  # the package around this program
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg2"}


@dataclass(frozen=True)
class Target:
    """A project to prove. It can be sent to another process, which imports the modules of the project again.

    Attributes:
        project: the files and settings of the project.
        metadata_name: the name of the models' `MetaData`, as `package.module:attribute`; empty if it is not known.
        rows_file: the Python file with `ROWS` or `values_at`, for generated rows; None if no file is given.
        render_as_batch: the option `render_as_batch` of `env.py`.
        naming_convention: the naming convention of the metadata, if it could be read without an import.
        commits_each: whether each revision is committed on its own: the option `transaction_per_migration` of `env.py`.
        enforces_keys: whether `env.py` switches on the foreign keys of SQLite.
        models_of_env: the modules and names (`module:name`) that `env.py` imports, if the metadata comes from `env.py`
            and not from the user.
        models_problem: the reason why the metadata of `env.py` is not known.
        is_own: whether the project has adopted this workflow, and therefore declares the losses of its revisions.
        unknown: the options in `env.py` that could not be read.
        start: for each engine, the file of SQL, or the function, that creates the tables that the first revision needs.
        run_env: the environment variables for a run of `env.py`; None if `env.py` is not run.
        env_options: the options that `env.py` gave to Alembic when it was run.
        engine: the dialect that a revision file sees when it is imported.
    """

    project: Project
    metadata_name: str = ""
    rows_file: Path | None = None
    render_as_batch: bool = True
    naming_convention: Mapping[str, str] = field(default_factory=dict)
    commits_each: bool = False
    enforces_keys: bool = False
    models_of_env: tuple[str, ...] = ()
    models_problem: str = ""
    is_own: bool = True
    unknown: tuple[str, ...] = ()
    start: Mapping[str, str] = field(default_factory=dict)
    run_env: Mapping[str, str] | None = None
    env_options: dict[str, Any] = field(default_factory=dict)
    engine: EngineName = "sqlite"

    @cached_property
    def script(self) -> ScriptDirectory:
        """The `ScriptDirectory` of Alembic. All revision files have been imported.

        Raises:
            InvalidRevisionFile: a file cannot be imported.
            InvalidProject: the revisions form no history.
        """
        script = ScriptDirectory.from_config(self.config)
        environment = EnvironmentContext(self.config, script)
        with (
            outer_kept(),
            environment,
            importing(self.project.versions),
            warnings.catch_warnings(record=True) as caught,
        ):
            stand_in(environment, _DRIVERS[self.engine])
            warnings.simplefilter("always")
            try:
                script.get_heads()
                list(script.walk_revisions())
            except KeyError as error:
                raise self._no_history([str(each.message) for each in caught], error) from error
            except Exception as error:
                if type(error).__module__.startswith("alembic."):
                    raise self._no_history([], error) from error
                raise
        texts = [str(each.message) for each in caught if "present" in str(each.message)]
        if texts:
            raise self._no_history(texts, ValueError())
        return script

    @property
    def place(self) -> Path:
        """The `alembic.ini`, or the folder of the revisions if there is no `alembic.ini`."""
        return self.project.ini if self.project.ini.is_file() else self.project.versions[0]

    @property
    def config(self) -> Config:
        """The configuration from `alembic.ini`. It is empty if the project is only a folder of revisions."""
        ini = self.project.ini
        return self.project.tell_folders(config_of(ini) if ini.is_file() else Config())

    def _no_history(self, texts: list[str], error: Exception) -> InvalidProject:
        reason = "; ".join(" ".join(each.split()) for each in texts) or " ".join(str(error).split())
        return InvalidProject(self.project.ini, reason, Hint("See the files", "alembic history"))

    @cached_property
    def history(self) -> History:
        """The revisions as a graph. In a project that has not adopted the workflow, this imports the revision files."""
        if self.is_own:
            return self.project.history
        scripts: Iterable[Script] = reversed(list(self.script.walk_revisions()))
        return History(_revision(each) for each in scripts)

    @cached_property
    def declares(self) -> bool:
        """Whether the revisions declare their losses. If no revision does, a dropped table or column is only a note."""
        revisions = [self.history[id_] for id_ in self.history.order]
        return self.is_own or any(each.lossy or each.moves for each in revisions)

    @cached_property
    def metadata(self) -> MetaData | None:
        """The metadata of the models; None if it is not known.

        Raises:
            InvalidProject: the user named the metadata, and this metadata cannot be imported.
        """
        try:
            return self._imported_metadata()
        except InvalidProject:
            if not self.models_of_env:
                raise
            return None

    @property
    def why_no_models(self) -> str:
        """The reason why the metadata of the models cannot be read or imported; empty if there is no such reason."""
        try:
            self._imported_metadata()
        except InvalidProject as error:
            return error.message
        ways = "--run-env reads it, or --metadata=package.module:attribute names it"
        return self.models_problem and f"{self.models_problem} cannot be read: {ways}"

    def _imported_metadata(self) -> MetaData | None:
        if isinstance(given := self.env_options.get("target_metadata"), MetaData):
            return given
        if not self.metadata_name or self.env_options:
            return None
        module, _, attribute = self.metadata_name.partition(":")
        try:
            found: Any = _module(module)
            for name in attribute.split("."):
                found = _member(found, name)
            for each in self.models_of_env:
                module, _, name = each.partition(":")
                _member(_module(module), name or "*")
        except Exception as error:  # a module may raise anything
            reason = f"the metadata {self.metadata_name} cannot be imported: {described(error)}"
            place = self.project.env.path if self.models_of_env else self.project.ini
            raise InvalidProject(place, reason, Hint("Name another one")) from error
        metadata: MetaData = getattr(found, "metadata", found)  # The name may be that of a declarative base.
        return metadata

    @cached_property
    def runner(self) -> ScratchRunner:
        """The runner of the revisions on scratch databases."""
        schema = self.project.version_table.schema
        return ScratchRunner(
            self.config,
            self.script,
            self.history,
            self.options(),
            self.commits_each,
            self.is_own,
            schema,
            stores_long_ids=_mentions_ids(self.project.env.path),
        )

    def stores_id(self, revision: str) -> bool:
        """Return whether `env.py`, or a revision up to this one, seems to give the version table room for long ids."""
        before = (self.history[id_].path for id_ in self.history.applied([revision]))
        return any(map(_mentions_ids, [self.project.env.path, *before]))

    def options(self) -> dict[str, Any]:
        """Return the options of Alembic's migration context."""
        metadata = self.metadata
        if metadata is None and self.naming_convention:
            metadata = MetaData(naming_convention=self.naming_convention)
        return {
            "target_metadata": metadata,
            "render_as_batch": self.render_as_batch,
            "transactional_ddl": True,
            "version_table": self.project.version_table.name,
            **self.env_options,
        }

    @cached_property
    def values_at(self) -> Callable[[Iterable[str]], Values]:
        """A function that takes the ids of applied revisions, and returns a mapping from "table.column" to values."""
        if self.rows_file is None:
            return lambda _revisions: {}
        spec = importlib.util.spec_from_file_location("_rows_for_verify", self.rows_file)
        if spec is None or spec.loader is None:
            raise InvalidProject(self.rows_file, "it is not a Python file")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
            if hasattr(module, "values_at"):
                return module.values_at  # type: ignore[no-any-return]  # as documented
            rows: Mapping[str, Values] = module.ROWS
        except Exception as error:  # the file may raise anything
            reason = f"it defines no rows: {type(error).__name__}: {error}"
            raise InvalidProject(self.rows_file, reason, Hint("Define ROWS or values_at in it")) from error

        def values_at(revisions: Iterable[str]) -> Values:
            values: dict[str, Sequence[object]] = {}
            for revision in revisions:
                values |= rows.get(revision, {})
            return {column: drawn for column, drawn in values.items() if drawn}

        return values_at

    @property
    def paths(self) -> list[str]:
        """The folders that `prepend_sys_path` in the project's settings adds to the search path."""
        return [str((self.project.root / each).resolve()) for each in search_paths(self.config)]

    def import_paths(self) -> None:
        """Extend the search path for imports as Alembic does.

        If there is no `alembic.ini`, or if the user names the models, the folder of the project and the current folder
        are added at the end of the path.
        """
        sys.path[:0] = [path for path in self.paths if path not in sys.path]
        if not self.project.ini.is_file() or (self.metadata_name and not self.models_of_env):
            sys.path += [path for path in (str(self.project.root), str(Path.cwd())) if path not in sys.path]
        if self.namesake:
            sys.path[:0] = self.namesake
            for each in [*sys.modules]:
                if each.partition(".")[0] == _PACKAGE and not f"{each}.".startswith(f"{_PROGRAM}."):
                    del sys.modules[each]  # The modules of this program stay, and can still import each other.

    @property
    def namesake(self) -> list[str]:
        """The folder of the project with another package of the same name as ours.

        The list is empty if there is no such folder.
        """
        own = Path(str(sys.modules[_PROGRAM].__file__)).parent.parent
        folders = [*self.paths, str(self.project.root), str(Path.cwd())]
        found = next((each for each in folders if Path(each, _PACKAGE).is_dir()), None)
        is_other = found is not None and not self.is_own and not Path(found, _PACKAGE).samefile(own)
        return [found] if found and is_other and _PACKAGE != _PROGRAM else []


def _module(name: str) -> ModuleType:
    """Import a module after each of its packages. Python skips a package that has failed after importing the module."""
    for end in (at for at, letter in enumerate(name) if letter == "."):
        importlib.import_module(name[:end])
    return importlib.import_module(name)


def _member(owner: Any, name: str) -> Any:
    """Return what `from owner import name` gives: an attribute, or a module in the package."""
    if isinstance(owner, ModuleType) and name != "*" and not hasattr(owner, name):
        return importlib.import_module(f"{owner.__name__}.{name}")
    return owner if name == "*" else getattr(owner, name)


def _revision(script: Script) -> Revision:
    module = script.module
    path = Path(str(script.path))

    def declared(name: str, kind: type[Any]) -> Any:
        value = getattr(module, name, kind())
        if not isinstance(value, kind):
            raise InvalidRevisionFile(path, f"{name} is not a {kind.__name__}")
        return value

    return Revision(
        id=script.revision,
        down=tuple(script._versioned_down_revisions),  # noqa: SLF001 - full ids, as Alembic resolves them
        depends_on=tuple(script._normalized_resolved_dependencies),  # noqa: SLF001
        message=first_line(script.doc or ""),
        path=path,
        lossy=declared("lossy", dict),
        moves=declared("moves", dict),
        irreversible=declared("irreversible", str),
        transaction=declared("transaction", str),
        row_security=declared("row_security", str),
    )


def _mentions_ids(path: Path) -> bool:
    """Return whether a file names the column of the version table, or Alembic's function that makes this table."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return "version_num" in text or "version_table_impl" in text
