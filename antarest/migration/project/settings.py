"""The settings of a project: `alembic.ini`, and `pyproject.toml` beside it.

The usual layout is a folder `versions` below the `script_location` of `alembic.ini`. This module reads the usual layout
itself, so that most commands start without importing Alembic. Alembic's own `Config` reads all other layouts.
"""

from __future__ import annotations

import configparser
import difflib
import importlib
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject
from ..errors.facts.refusal import PackageMissing
from ..errors.settings.urls import ENGINES
from ..errors.text import described

if TYPE_CHECKING:
    from alembic.config import Config

SECTION = "antarest"
INI = "alembic.ini"
TOML = "pyproject.toml"
VARIABLE = "ALEMBIC_CONFIG"
"""The environment variable that names the settings file. Alembic reads this variable too."""

KEYS = (
    "metadata",
    "rollback_script",
    "diagram",
    "seed",
    "settings",
    "version_table",
    "version_table_schema",
    "deployed",
    "deployed_from",
    "engines",
    "max_seconds",
)
"""The keys of `[antarest]`."""

_NOT_PLAIN = frozenset({"recursive_version_locations", "sourceless"})
_SEPARATORS = frozenset({"", "os", "space", "newline", ":", ";"})
_TABLE = re.compile(rb"^\s*\[*\s*tool\s*(\.\s*[\"']?(alembic|antarest)|\])", re.MULTILINE)
_SEVERAL = re.compile(r"[\s,:;]")  # what may lie between two folders, or between a package and its folder
_LOOK = Hint("Fix it, then look again", "inv db.history")


@dataclass(frozen=True)
class Settings:
    """The settings of a project.

    Attributes:
        scripts: the folder of its `env.py`.
        versions: the folders with its revision files.
        is_recursive: whether the folders below `versions` are read too.
        own: the keys and values of the section `[antarest]`, or of the table `[tool.antarest]`.
        search: the folders that Alembic puts at the beginning of `sys.path`.
    """

    scripts: Path
    versions: tuple[Path, ...]
    is_recursive: bool
    own: Mapping[str, str]
    search: tuple[Path, ...] = ()


def read_settings(path: Path) -> Settings:
    """Read the settings of a project.

    Args:
        path: its `alembic.ini` or `pyproject.toml`.

    Raises:
        InvalidProject: the settings do not name the folder of the revisions, or are not supported.
    """
    try:
        return _read(path)
    except InvalidProject:
        raise
    except Exception as error:  # Alembic, a package of the project and both parsers may raise any error.
        raise InvalidProject(path, " ".join(str(error).split()), _LOOK) from error


def _read(path: Path) -> Settings:
    if len(str(path).splitlines()) > 1:
        raise InvalidProject(path, "the name of its folder has a line break, which Alembic cannot read")
    tables = _tables(path.with_name(TOML))
    parser = configparser.ConfigParser({"here": _here(path)})
    if not is_toml(path):
        parser.read(path, encoding="utf-8")
    # Read one by one: `sqlalchemy.url` may have a placeholder that only `env.py` fills in.
    main: Mapping[str, str] = parser["alembic"] if parser.has_section("alembic") else {}
    own = {key: str(value) for key, value in tables.get(SECTION, {}).items()}
    if parser.has_section(SECTION):
        own |= {key: value for key, value in parser[SECTION].items() if key not in parser.defaults()}
    _refuse_wrong(path, own)
    if "databases" in main or "databases" in tables.get("alembic", {}):
        reason = "it says databases = ..., and a history of several databases is not supported: make a project for each"
        raise InvalidProject(path, reason, _LOOK)
    search = main.get("prepend_sys_path", "")
    raw = parser.get("alembic", "prepend_sys_path", raw=True, fallback="")
    location = main.get("version_locations", "")
    separators = {main.get(key, "") for key in ("path_separator", "version_path_separator")}
    is_plain = _NOT_PLAIN.isdisjoint(main) and separators <= _SEPARATORS and not _SEVERAL.search(f"{raw}{location}")
    if tables.get("alembic") or ":" in main.get("script_location", "") or not is_plain:
        return _as_alembic_reads_them(path, own)
    if "script_location" not in main and not (main and (path.parent / "env.py").is_file()):
        missing = "script_location in the section [alembic]" if parser.has_section("alembic") else "section [alembic]"
        raise InvalidProject(path, f"it has no {missing}", _LOOK)
    # Flask-Migrate's alembic.ini names no folder, because it is in this folder itself.
    scripts = path.parent / main.get("script_location", "")
    versions = path.parent / location if location else scripts / "versions"
    folders = (path.parent / search,) if search else ()
    return Settings(scripts, (versions,), is_recursive=False, own=own, search=folders)


def _refuse_wrong(path: Path, own: Mapping[str, str]) -> None:
    for key in own:
        if key not in KEYS:
            nearest = difflib.get_close_matches(key, KEYS, n=1)
            meant = f"did you mean {nearest[0]}?" if nearest else f"the keys are {', '.join(KEYS)}"
            raise InvalidProject(path, f"[{SECTION}] {key} is a key that nothing reads: {meant}", _LOOK)
    schema, _, table = own.get("version_table", "").rpartition(".")
    if schema:
        hint = Hint(f"Write version_table = {table}, and below it", f"version_table_schema = {schema}")
        raise InvalidProject(path, f"[{SECTION}] version_table is a name without its schema", hint)


def find(named: str | Path | None, start: Path, environ: Mapping[str, str]) -> Path | None:
    """Find the settings of a project, as git finds a repository.

    Args:
        named: the file or folder that the command line names; None if it names no file or folder.
        start: the folder to begin with.
        environ: the environment, for `ALEMBIC_CONFIG`.

    Returns:
        The settings file: the named file, or the file that `ALEMBIC_CONFIG` names. Without these, the first file that
        exists in `start` or in a folder above it: an `alembic.ini`, or a `pyproject.toml` with `[tool.alembic]`. Else a
        `migrations/alembic.ini`, as Flask-Migrate creates it, in one of these folders. None if there is no such file.
    """
    if named := named or environ.get(VARIABLE):
        path = start / named
        return next((each for each in _in_folder(path) if each.is_file()), path) if path.is_dir() else path
    folders = [start, *start.parents]
    found = (each for folder in folders for each in (folder / INI, folder / TOML) if _is_settings(each))
    below = (folder / "migrations" / INI for folder in folders)
    return next(found, None) or next((each for each in below if each.is_file()), None)


def others_around(ini: Path, config: Path) -> tuple[Path, ...]:
    """Find other projects to which the configured database could belong.

    Args:
        ini: the settings file of the project that was found.
        config: the configuration file, which names the database.

    Returns:
        The settings files of the project to which `config` belongs, and of projects near the working directory. If the
        working directory is in the project of `ini`, only its `migrations/alembic.ini` counts as near. If it is
        elsewhere, the projects at most two folders below it count as near; but the result is empty if `config` is in
        the folder of `ini`.
    """
    here = Path.cwd()
    is_around = here.is_relative_to(ini.parent.parent if ini.parent.name == "migrations" else ini.parent)
    if not is_around and config.is_relative_to(ini.parent):
        return ()
    below = [here / "migrations" / INI] if is_around else [*here.glob(f"*/{INI}"), *here.glob(f"*/*/{INI}")]
    found = [find(None, config.parent, {}), *sorted(each for each in below if each.is_file())]
    others = {each.resolve(): each for each in found if each and each.resolve() != ini.resolve()}
    return tuple(others.values())


def _in_folder(folder: Path) -> tuple[Path, ...]:
    toml = folder / TOML
    return (folder / INI, *([toml] if names_project(toml) else []), folder / "migrations" / INI, toml)


def _is_settings(path: Path) -> bool:
    return names_project(path) if is_toml(path) else path.is_file()


def read_values(ini: Path, own: Mapping[str, str]) -> dict[str, Any]:
    """Return the values in `[antarest]` that are not plain text.

    Args:
        ini: the `alembic.ini` of the project.
        own: the keys and values of `[antarest]`.

    Raises:
        InvalidProject: an engine is not supported, or `max_seconds` is not a number.
    """
    engines, seconds = tuple(own.get("engines", "").replace(",", " ").split()), own.get("max_seconds", "")
    if wrong := [each for each in engines if each not in ENGINES]:
        reason = f"[{SECTION}] engines has {wrong[0]!r}, which is not one of {', '.join(ENGINES)}"
        raise InvalidProject(ini, reason, _LOOK)
    try:
        return {"engines": engines, "max_seconds": float(seconds) if seconds else None}
    except ValueError:
        reason = f"[{SECTION}] max_seconds must be a number of seconds, not {seconds!r}"
        raise InvalidProject(ini, reason, _LOOK) from None


def is_toml(path: Path) -> bool:
    """Return whether the settings file of a project is a `pyproject.toml`."""
    return path.name == TOML


def names_project(path: Path) -> bool:
    """Return whether a `pyproject.toml` has the table `[tool.alembic]`, or is not valid TOML."""
    try:
        return bool(_tables(path).get("alembic"))
    except ValueError:
        return True


def config_of(path: Path, **options: Any) -> Config:
    """Return Alembic's configuration of a project, from the files that Alembic's command line reads.

    Args:
        path: its `alembic.ini` or `pyproject.toml`.
        options: further arguments of `Config`.
    """
    # Imported here: most commands start without Alembic.
    from alembic.config import Config

    config = Config(None if is_toml(path) else path, toml_file=path.with_name(TOML), **options)
    config.file_config["DEFAULT"]["here"] = _here(path)
    return config


def _here(path: Path) -> str:
    """Return the folder of the project as the value of `%(here)s`, with doubled percent signs, as an ini file needs."""
    return path.parent.as_posix().replace("%", "%%")


def search_paths(config: Config) -> list[str]:
    """Return the folders that Alembic puts at the beginning of `sys.path`."""
    with _no_warning():
        return config.get_prepend_sys_paths_list() or []


@contextmanager
def _no_warning() -> Iterator[None]:
    """Hide warnings about old settings in the block. Alembic itself repeats these warnings when it runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _tables(path: Path) -> Mapping[str, Any]:
    """Return the tables below `[tool]` in a `pyproject.toml`; empty if `alembic` and `antarest` are not among them."""
    text = path.read_bytes() if path.is_file() else b""
    if not _TABLE.search(text):
        return {}
    import tomllib  # Imported here: most projects do not need it.

    tables: Mapping[str, Any] = tomllib.loads(text.decode("utf-8")).get("tool", {})
    return tables


def _as_alembic_reads_them(path: Path, own: Mapping[str, str]) -> Settings:
    from alembic.util import coerce_resource_to_filename

    config, root, search = config_of(path), path.parent, [*sys.path]
    location = config.get_alembic_option("script_location") or (str(root) if (root / "env.py").is_file() else "")
    if not location:
        raise InvalidProject(path, "it has no script_location", _LOOK)
    if _is_true(config, "sourceless"):
        reason = "it says sourceless = true, and revisions without a source cannot be read"
        raise InvalidProject(path, reason, _LOOK)
    prepended = tuple(root / each for each in search_paths(config))
    try:
        sys.path[:0] = map(str, prepended)
        scripts = root / coerce_resource_to_filename(location)
        with _no_warning():
            named = config.get_version_locations_list() or ()
        folders = tuple(root / coerce_resource_to_filename(each) for each in named) or (scripts / "versions",)
    finally:
        sys.path[:] = search
    is_recursive = _is_true(config, "recursive_version_locations")
    return Settings(scripts, folders, is_recursive, own, prepended)


def _is_true(config: Config, name: str) -> bool:
    """Read a boolean option as Alembic does. Alembic 1.16.0 has no function for this yet."""
    section = config.config_ini_section
    if config.file_config.has_option(section, name):
        return config.file_config.get(section, name) == "true"
    value: object = config.toml_alembic_config.get(name, False)
    if not isinstance(value, bool):
        raise TypeError(f"boolean value expected for TOML parameter {name!r}")
    return value


# ---- what the settings name in the application

_NO_TABLES = f"neither env.py nor [{SECTION}] names the metadata of the models, so the tables are not known"


def import_named(path: Path, key: str, name: str, search: Iterable[Path]) -> Any:
    """Import an object that the section `[antarest]` names.

    Args:
        path: the settings file of the project.
        key: the key in the section.
        name: the value of the key, as `package.module:attribute`; the attribute can contain dots.
        search: the folders to put at the beginning of `sys.path`.

    Raises:
        InvalidProject: the value names no object, or the object cannot be imported.
        PackageMissing: the object needs a package that is not installed.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        unnamed = _NO_TABLES if key == "metadata" else f"[{SECTION}] {key} is not named"
        reason = f"[{SECTION}] {key} = {name} is not package.module:attribute" if name else unnamed
        raise InvalidProject(path, reason, Hint("Name it in the file", f"[{SECTION}] {key} = package.module:attribute"))
    prepend(search)
    try:
        return attrgetter(attribute)(importlib.import_module(module))
    except (Exception, SystemExit, GeneratorExit) as error:  # a module may raise anything
        missing = (getattr(error, "name", "") or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and missing != module.partition(".")[0]:
            raise PackageMissing(missing, f"[{SECTION}] {key} = {name}") from error
        why = str(error) if isinstance(error, (ImportError, AttributeError)) else described(error)
        reason = f"[{SECTION}] {key} = {name}: {why}"
        raise InvalidProject(path, reason, Hint("Fix it, then look again", "inv db.check")) from error


def prepend(folders: Iterable[Path]) -> None:
    """Put folders at the beginning of `sys.path`, as Alembic does.

    A folder that is already in `sys.path` is not moved.
    """
    known = {Path(each).resolve() for each in sys.path}
    sys.path[:0] = [str(each.resolve()) for each in folders if each.resolve() not in known]
