"""The settings of a project: `alembic.ini`, and `pyproject.toml` beside it.

The plain shape, a folder `versions` below `script_location` of `alembic.ini`, is read here, so that most commands
start without Alembic. Alembic's own `Config` reads all other shapes.
"""

from __future__ import annotations

import configparser
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject
from ..errors.settings.urls import ENGINES

if TYPE_CHECKING:
    from alembic.config import Config

SECTION = "antarest"
TOML = "pyproject.toml"

_NOT_PLAIN = frozenset({"version_locations", "recursive_version_locations", "sourceless"})
_TABLE = re.compile(rb"^\s*\[*\s*tool\s*(\.\s*[\"']?(alembic|antarest)|\])", re.MULTILINE)
_LOOK = Hint("Fix it, then look again", "inv db.history")


@dataclass(frozen=True)
class Settings:
    """The settings of a project.

    Attributes:
        scripts: the folder of its `env.py`.
        versions: the folders with its revision files.
        is_recursive: whether the folders below those count too.
        own: the section `[antarest]`, or the table `[tool.antarest]`.
    """

    scripts: Path
    versions: tuple[Path, ...]
    is_recursive: bool
    own: Mapping[str, str]


def read_settings(path: Path) -> Settings:
    """Read the settings of a project.

    Args:
        path: its `alembic.ini` or `pyproject.toml`.

    Raises:
        InvalidProject: they do not name the folder of the revisions, or are not supported.
    """
    try:
        return _read(path)
    except InvalidProject:
        raise
    except Exception as error:  # Alembic, a package of the project and both parsers may raise any error.
        raise InvalidProject(path, " ".join(str(error).split()), _LOOK) from error


def _read(path: Path) -> Settings:
    tables = _tables(path.with_name(TOML))
    parser = configparser.ConfigParser({"here": _here(path)})
    if not is_toml(path):
        parser.read(path, encoding="utf-8")
    # The values are read one by one: `sqlalchemy.url` may have a placeholder that only `env.py` fills in.
    main: Mapping[str, str] = parser["alembic"] if parser.has_section("alembic") else {}
    own = {key: str(value) for key, value in tables.get(SECTION, {}).items()}
    if parser.has_section(SECTION):
        own |= parser[SECTION]
    if tables.get("alembic") or ":" in main.get("script_location", "") or not _NOT_PLAIN.isdisjoint(main):
        return _as_alembic_reads_them(path, own)
    if "script_location" not in main:
        missing = "script_location in the section [alembic]" if parser.has_section("alembic") else "section [alembic]"
        raise InvalidProject(path, f"it has no {missing}", _LOOK)
    scripts = path.parent / main["script_location"]
    return Settings(scripts, (scripts / "versions",), is_recursive=False, own=own)


def read_values(ini: Path, own: Mapping[str, str]) -> dict[str, Any]:
    """Read the keys of `[antarest]` whose values are no plain text.

    Args:
        ini: the `alembic.ini` of the project.
        own: the section.

    Raises:
        InvalidProject: an engine is not supported, or a number is none.
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
    """Whether a project has its settings in a `pyproject.toml` only."""
    return path.name == TOML


def names_project(path: Path) -> bool:
    """Whether a `pyproject.toml` has the table `[tool.alembic]`, or seems to have it and cannot be read."""
    try:
        return bool(_tables(path).get("alembic"))
    except ValueError:
        return True


def config_of(path: Path, **options: Any) -> Config:
    """Alembic's configuration of a project, from the same files as on its command line.

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
    """The folder of the project, as the value of `%(here)s`. In an ini file, a percent sign begins a placeholder."""
    return path.parent.as_posix().replace("%", "%%")


def search_paths(config: Config) -> list[str]:
    """The folders that Alembic puts at the beginning of `sys.path`."""
    with _no_warning():
        return config.get_prepend_sys_paths_list() or []


@contextmanager
def _no_warning() -> Iterator[None]:
    """Silence warnings about old settings: Alembic repeats them when it runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _tables(path: Path) -> Mapping[str, Any]:
    """The tables below `[tool]`; empty if none is for us or for Alembic."""
    text = path.read_bytes() if path.is_file() else b""
    if not _TABLE.search(text):
        return {}
    import tomllib  # Imported here: most projects do not need it.

    tables: Mapping[str, Any] = tomllib.loads(text.decode("utf-8")).get("tool", {})
    return tables


def _as_alembic_reads_them(path: Path, own: Mapping[str, str]) -> Settings:
    from alembic.util import coerce_resource_to_filename

    config, root, search = config_of(path), path.parent, [*sys.path]
    location = config.get_alembic_option("script_location")
    if not location:
        raise InvalidProject(path, "it has no script_location", _LOOK)
    if _is_true(config, "sourceless"):
        reason = "it says sourceless = true, and revisions without a source cannot be read"
        raise InvalidProject(path, reason, _LOOK)
    try:
        sys.path[:0] = [str(root / each) for each in search_paths(config)]
        scripts = root / coerce_resource_to_filename(location)
        with _no_warning():
            named = config.get_version_locations_list() or ()
        folders = tuple(root / coerce_resource_to_filename(each) for each in named) or (scripts / "versions",)
    finally:
        sys.path[:] = search
    is_recursive = _is_true(config, "recursive_version_locations")
    return Settings(scripts, folders, is_recursive, own)


def _is_true(config: Config, name: str) -> bool:
    """Read a boolean option as Alembic does. Alembic 1.16.0 has no function for it yet."""
    section = config.config_ini_section
    if config.file_config.has_option(section, name):
        return config.file_config.get(section, name) == "true"
    value: object = config.toml_alembic_config.get(name, False)
    if not isinstance(value, bool):
        raise TypeError(f"boolean value expected for TOML parameter {name!r}")
    return value
