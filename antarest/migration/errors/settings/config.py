"""The configuration: one file, which is read completely or refused with a reason.

The file is the first of these that exists:

- the path that was given (`--config`),
- the file that `ANTAREST_CONF` names,
- `application.yaml` in the working directory,
- `application.yaml` in the folder of the project,
- the default file `resources/application.yaml`, but only if the project is the one that contains this code. The
  database in the default file is an SQLite file in the checkout, or in the user's data folder if the package is
  installed.

If `--config` or `ANTAREST_CONF` names a file that does not exist, this is an error, and no other file is used.

`${VARIABLE}` in a value stands for a variable of the environment. If the environment has `VARIABLE_FILE` instead, the
value is the content of the file that `VARIABLE_FILE` names. `$${` stands for the text `${`. Inside a URL, the value of
a variable is quoted as its position requires, so a password can contain any character. Elsewhere the value is not
changed. If `ANTAREST_DATA` is not set, `${ANTAREST_DATA}` stands for the user's data folder, which is created at the
first use.

The workflow reads `db` and `environment`. An application declares its other sections with the argument `sections`: each
section is a dataclass whose fields have a reader function. If an application declares sections, every other section or
key is refused.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from ..facts.configuration import (
    ConfigEmpty,
    ConfigError,
    ConfigNotFound,
    ConfigNotMapping,
    DatabaseUrlMissing,
    InvalidValue,
    UnknownKey,
    VariableUnset,
)
from . import readers
from .db_config import DbConfig
from .location import ROOT, create_data_folder
from .urls import redact_url
from .yaml_file import expand, parse_yaml

VARIABLE: Final = "ANTAREST_CONF"
DATA_VARIABLE: Final = "ANTAREST_DATA"
FILE_NAME: Final = "application.yaml"

_EMPTY = frozenset({"", "~", "null"})

Sections = Mapping[str, type]
"""The sections of a configuration, by name: each is a dataclass, whose fields have a `reader` in their metadata."""


@dataclass(frozen=True)
class Config:
    """The settings of the workflow, and the sections that the application declares.

    Args:
        db: the settings of the database.
        source: the configuration file.
        environment: the kind of environment; a production database is reset or seeded only with `--allow-production`.
        sections: a mapping from the name of each section that the application declares to the section.
    """

    db: DbConfig
    source: Path
    environment: str = field(default="development", metadata={"reader": readers.environment})
    sections: Mapping[str, Any] = field(default_factory=dict)


def load_config(
    path: str | Path | None = None,
    *,
    sections: Sections | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    home: Path | None = None,
) -> Config:
    """Find the configuration file, read it, and return the configuration.

    Args:
        path: the file that the user named (`--config`); it overrides `ANTAREST_CONF`.
        sections: the other sections that the file is allowed to have. With None, every other section or key is allowed,
            unless it looks like a misspelt `db` or `environment`.
        environ: the environment, for `ANTAREST_CONF` and `${VARIABLE}`; by default the environment of the process.
        cwd: the first folder to look in, and the base of relative paths; by default the working directory.
        home: the folder of the project, which is the second folder to look in; by default the folder of this code. Only
            the folder of this code has a default file.

    Raises:
        ConfigError: the file is missing or cannot be used. The subclass of the error tells the reason.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    if DATA_VARIABLE in environ:  # Relative to the working directory; paths in the file are relative to the file.
        environ = {**environ, DATA_VARIABLE: os.path.abspath(cwd / environ[DATA_VARIABLE])}  # noqa: PTH100
    file, data = _find(path, environ, cwd, home or ROOT)
    known = known_sections(sections or {})
    found = _split(parse_yaml(data, file), known, file, others_allowed=sections is None)
    values = {name: _read_section(name, section, found[name], file, environ) for name, section in known.items()}
    if "url" not in values["db"]:
        raise DatabaseUrlMissing().at("db.url", file)
    others = {name: section(**values[name]) for name, section in (sections or {}).items()}
    config = Config(DbConfig(**values["db"]), file, sections=others, **values[""])
    _refuse_two_databases(config.db, file)
    return config


def known_sections(sections: Sections) -> Sections:
    """Return a mapping from names to sections, ours and the application's. The name of the top level is ""."""
    return {"": Config, "db": DbConfig, **sections}


def keys_of(known: Sections) -> list[str]:
    """Return the keys in these sections, such as `db.url`."""
    return [f"{name}.{key}".lstrip(".") for name, section in known.items() for key in _names_of(section)]


def _find(path: str | Path | None, environ: Mapping[str, str], cwd: Path, home: Path) -> tuple[Path, bytes]:
    if path is not None:
        return _read_file(str(path), cwd, "--config")
    if VARIABLE in environ:
        return _read_file(environ[VARIABLE], cwd, VARIABLE)
    is_own = home.resolve() == ROOT
    default = ROOT / "resources" / FILE_NAME if is_own else home / FILE_NAME
    # lexists: a broken link is somebody's configuration too, and is reported.
    found = next((each for each in (cwd / FILE_NAME, home / FILE_NAME) if os.path.lexists(each)), default)
    return _read_file(
        str(found), cwd, "nobody, so it is the default" if is_own else "nobody; the file may be at this path"
    )


def _read_file(name: str, cwd: Path, named_by: str) -> tuple[Path, bytes]:
    if not name:  # Path("") would be the working directory
        raise ConfigNotFound("", reason="the name is empty", named_by=named_by)
    # Not resolve(): paths in the file are relative to the folder of the named path, not to the target of a link.
    file = Path(os.path.abspath(cwd / Path(name).expanduser()))  # noqa: PTH100
    try:
        return file, file.read_bytes()
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise ConfigNotFound(str(file), reason=reason, named_by=named_by, similar=_similar(file)) from None


def _similar(file: Path) -> list[Path]:
    try:
        names = [each.name for each in file.parent.iterdir() if each.suffix in {".yaml", ".yml"} and each.is_file()]
    except OSError:
        return []
    return [file.parent / name for name in difflib.get_close_matches(file.name, names, n=1) if name != file.name]


def _split(document: object, known: Sections, file: Path, *, others_allowed: bool) -> dict[str, dict[str, Any]]:
    """Return the settings of each section of the file. The section "" is the top of the file."""
    if _is_empty(document):
        raise ConfigEmpty(file)
    top = _mapping(document, file, "")
    if others_allowed:
        top = _without_what_is_not_ours(top)
    found = {name: _mapping(top.pop(name, None), file, name) for name in known if name}
    found[""] = top
    _refuse_unknown_keys(found, known, file)
    return found


def _mapping(value: object, file: Path, section: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return dict(value)
    if section and _is_empty(value):
        return {}
    raise ConfigNotMapping(file, section=section, found="a list" if isinstance(value, list) else "one value")


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.lower() in _EMPTY)


def _without_what_is_not_ours(top: Mapping[str, Any]) -> dict[str, Any]:
    ours = ["db", *_names_of(Config)]
    return {name: value for name, value in top.items() if difflib.get_close_matches(str(name), ours, n=1, cutoff=0.75)}


def _names_of(section: type) -> list[str]:
    return [each.name for each in fields(section) if "reader" in each.metadata]


def _refuse_unknown_keys(found: Mapping[str, Mapping[str, Any]], known: Sections, file: Path) -> None:
    keys = keys_of(known)
    for section, settings in found.items():
        prefix = f"{section}." if section else ""
        for name in settings:
            if prefix + name not in keys:
                nearest = _nearest(prefix, name, keys, [each for each in known if each])
                raise UnknownKey(file, key=prefix + _shown(name), nearest=nearest, known=keys)


def _nearest(prefix: str, name: str, keys: Sequence[str], sections: Sequence[str]) -> str:
    """Return the most similar known key of the same section. If none is similar, look in the other sections."""
    siblings = [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]
    siblings += [] if prefix else sections
    if close := difflib.get_close_matches(name, siblings, n=1):
        return prefix + close[0]
    elsewhere = {key.rpartition(".")[2]: key for key in keys}
    return next((elsewhere[each] for each in difflib.get_close_matches(name, elsewhere, n=1)), "")


def _read_section(
    name: str, section: type, data: Mapping[str, Any], file: Path, environ: Mapping[str, str]
) -> dict[str, Any]:
    values = {}
    for each in fields(section):
        raw = data.get(each.name)
        if "reader" not in each.metadata or _is_empty(raw):
            continue
        try:
            if not isinstance(raw, str):
                raise InvalidValue("one value")  # noqa: TRY301 - the key is added below, as for other errors
            values[each.name] = each.metadata["reader"](_expand(raw, environ).strip(), file.parent)
        except InvalidValue as error:
            raise error.at(f"{name}.{each.name}".lstrip("."), file, found=_shown(raw)) from None
        except ConfigError as error:
            raise error.at(f"{name}.{each.name}".lstrip("."), file) from None
    return values


def _expand(raw: str, environ: Mapping[str, str]) -> str:
    try:
        return expand(raw, environ)
    except VariableUnset as unset:
        if unset.name != DATA_VARIABLE:
            raise
    return expand(raw, {**environ, DATA_VARIABLE: str(create_data_folder())})


def _shown(raw: object) -> str:
    """Return a value of the file for a message: short, on one line, without the values of variables and passwords."""
    if not isinstance(raw, str):
        return "a list" if isinstance(raw, list) else "keys with values"
    text = redact_url(raw) if "://" in raw else raw
    return text if text.isidentifier() else json.dumps(text[:60], ensure_ascii=False)


def _refuse_two_databases(db: DbConfig, file: Path) -> None:
    """Refuse an `admin_url` whose engine or SQLite file is not that of `url`.

    Two PostgreSQL URLs are allowed to name different servers and databases, because one of the two can name a pooler.
    """
    url, admin_url = db.url, db.migration_url
    engines = {url.get_backend_name(), admin_url.get_backend_name()}
    if len(engines) > 1 or ("sqlite" in engines and url != admin_url):
        raise InvalidValue("the same database as db.url").at("db.admin_url", file, found=redact_url(admin_url))
