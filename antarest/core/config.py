"""The configuration: one file, found in one documented order, read completely or refused with a reason.

The file is the first of these: the path that was given (`--config`), the one named by `ANTAREST_CONF`,
`application.yaml` in the working directory, `application.yaml` at the root of the checkout, and the default
`resources/application.yaml`: an SQLite file in the checkout for development, or, where the package is installed, one in
the user's data folder. A file that somebody named is never replaced by another one.

`${VARIABLE}` in a value is taken from the environment, or from the file that `VARIABLE_FILE` names there; `$${` is the
text `${`. A value that is exactly one variable is taken as it is; inside a URL a variable is quoted as its place
demands, so that a password may hold any character. `${ANTAREST_DATA}` is the user's data folder where the environment
does not have it; it is created with the first use.

A new setting is a field with a reader, explained in the docstring of its class; a new section is a dataclass of such
fields, named in `_SECTIONS`. `make docs` writes the pages and the development default from them.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from antarest.core import readers
from antarest.core.errors import (
    ConfigEmpty,
    ConfigError,
    ConfigNotFound,
    ConfigNotMapping,
    DatabaseUrlMissing,
    Hint,
    InvalidValue,
    UnknownKey,
    UsageError,
    VariableUnset,
)
from antarest.core.location import ROOT, create_data_folder
from antarest.core.urls import is_memory, normalise_url, redact_url
from antarest.core.yaml_file import expand, parse_yaml

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = ["Config", "DbConfig", "ServerConfig", "is_memory", "load_config", "normalise_url", "with_lock_timeout"]

VARIABLE: Final = "ANTAREST_CONF"
DATA_VARIABLE: Final = "ANTAREST_DATA"
FILE_NAME: Final = "application.yaml"

_EMPTY = frozenset({"", "~", "null"})


@dataclass(frozen=True)
class DbConfig:
    """How to connect to the database.

    Args:
        url: what the application connects with: PostgreSQL (psycopg2) or SQLite, whose path is relative to the file.
        admin_url: what migrations connect with, where that is another role; without it, `url`.
        application_role: the role that gets rights on what migrations create; without it, the user of `url`.
        pool_size: how many connections an engine keeps.
        max_overflow: how many more it opens under load.
        pool_recycle: the seconds after which a connection is replaced.
        pool_pre_ping: whether a connection is tried before it is used.
        connect_timeout: the seconds to wait for a PostgreSQL server.
        busy_timeout: the seconds to wait for another process that writes to an SQLite file.
        backup: whether PostgreSQL too is backed up before an upgrade, a rollback or a reset; SQLite always is.
        backup_folder: where backups lie; without it, beside the SQLite file, or in the user's data folder.
        backups_kept: how many backups of the database are kept.
        postgres_programs: the folder with the server's own pg_dump and pg_restore, where they are not found.
        migration_lock_timeout: the seconds that a migration waits for another one; `--lock-timeout` beats it.
        lock_timeout: the seconds that a migration waits for a lock on a table, or for readers of an SQLite file, before
            it rolls back and lets those pass who queue behind it.
        lock_retries: how often it then tries again.
        statement_timeout: the seconds that a statement of a migration may take on PostgreSQL; 0 for any.
    """

    # Not in the repr: that of a URL masks the password, but not the other secrets that a parameter can hold.
    url: URL = field(
        repr=False, metadata={"reader": readers.url, "example": "postgresql://antarest:${DB_PASSWORD}@db1/antarest"}
    )
    admin_url: URL | None = field(
        default=None,
        repr=False,
        metadata={"reader": readers.url, "example": "postgresql://owner:${DB_PASSWORD}@db1/antarest"},
    )
    application_role: str | None = field(default=None, metadata={"reader": readers.text, "example": "antarest"})
    pool_size: int = field(default=5, metadata={"reader": readers.number(1)})
    max_overflow: int = field(default=10, metadata={"reader": readers.number(0)})
    pool_recycle: int = field(default=1800, metadata={"reader": readers.number(1)})
    pool_pre_ping: bool = field(default=True, metadata={"reader": readers.flag})
    connect_timeout: int = field(default=10, metadata={"reader": readers.number(1)})
    busy_timeout: int = field(default=10, metadata={"reader": readers.number(0, 3600)})
    backup: bool = field(default=False, metadata={"reader": readers.flag})
    backup_folder: Path | None = field(
        default=None, metadata={"reader": readers.path, "example": "/var/backups/antarest"}
    )
    backups_kept: int = field(default=5, metadata={"reader": readers.number(1, 1000)})
    postgres_programs: Path | None = field(
        default=None, metadata={"reader": readers.path, "example": "/usr/lib/postgresql/15/bin"}
    )
    migration_lock_timeout: int = field(default=60, metadata={"reader": readers.SECONDS})
    lock_timeout: int = field(default=5, metadata={"reader": readers.number(1, 3600)})
    lock_retries: int = field(default=5, metadata={"reader": readers.number(0, 1000)})
    statement_timeout: int = field(default=0, metadata={"reader": readers.SECONDS})

    @property
    def migration_url(self) -> URL:
        """What migrations connect with."""
        return self.admin_url or self.url

    @property
    def role_to_grant(self) -> str | None:
        """The role that needs rights granted, because another one owns what migrations create (PostgreSQL only)."""
        if self.url.get_backend_name() != "postgresql":
            return None
        other = self.url.username if self.url.username != self.migration_url.username else None
        return self.application_role or other


def with_lock_timeout(db: DbConfig, seconds: str | None, flag: str) -> DbConfig:
    """The same database, with another time to wait for a migration of somebody else.

    Args:
        db: the configuration.
        seconds: the time, as somebody wrote it; None for the one that is configured.
        flag: where it was written, for messages.

    Raises:
        UsageError: it is no whole number of seconds.
    """
    if seconds is None:
        return db
    try:
        return replace(db, migration_lock_timeout=readers.SECONDS(seconds, Path()))
    except InvalidValue as error:
        hint = Hint("Write it so", "inv db.upgrade --lock-timeout=60")
        raise UsageError(f"{flag} {error.message}, not {seconds!r}", hints=[hint]) from None


@dataclass(frozen=True)
class ServerConfig:
    """Where the web server listens.

    Args:
        host: the address to listen on; 0.0.0.0 is every one, for whoever reaches this host.
        port: the port to listen on.
    """

    host: str = field(default="127.0.0.1", metadata={"reader": readers.text})
    port: int = field(default=8080, metadata={"reader": readers.number(1, 65535)})


@dataclass(frozen=True)
class Config:
    """The whole configuration.

    Args:
        db: the database.
        source: the file that it came from.
        environment: what the database is for; one in production is never reset or seeded without being told to.
        server: the web server.
    """

    db: DbConfig
    source: Path
    environment: str = field(default="development", metadata={"reader": readers.environment})
    server: ServerConfig = field(default_factory=ServerConfig)


_SECTIONS: Final[Mapping[str, type]] = {"": Config, "db": DbConfig, "server": ServerConfig}
_KEYS: Final = [
    f"{section}.{each.name}" if section else each.name
    for section, settings in _SECTIONS.items()
    for each in fields(settings)
    if "reader" in each.metadata
]


def load_config(
    path: str | Path | None = None, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Config:
    """Find the configuration file and read it.

    Args:
        path: the file that somebody asked for (`--config`); it beats `ANTAREST_CONF`.
        environ: the environment, for `ANTAREST_CONF` and `${VARIABLE}`; by default that of the process.
        cwd: the folder to look in, and that relative paths are relative to; by default the working directory.

    Raises:
        ConfigError: the file is missing or cannot be used; the subclass says why.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    if DATA_VARIABLE in environ:  # Relative to where we are; what is in a URL is relative to its file.
        environ = {**environ, DATA_VARIABLE: os.path.abspath(cwd / environ[DATA_VARIABLE])}  # noqa: PTH100
    file, data = _find(path, environ, cwd)
    document = parse_yaml(data, file)
    if _is_empty(document):
        raise ConfigEmpty(file)
    top = _mapping(document, file, "")
    sections = {name: _mapping(top.pop(name, None), file, name) for name in _SECTIONS if name}
    sections[""] = top
    _refuse_unknown_keys(sections, file)
    values = {name: _read_section(name, sections[name], file, environ) for name in _SECTIONS}
    if "url" not in values["db"]:
        raise DatabaseUrlMissing().at("db.url", file)
    config = Config(DbConfig(**values["db"]), file, server=ServerConfig(**values["server"]), **values[""])
    _refuse_two_databases(config.db, file)
    return config


def _find(path: str | Path | None, environ: Mapping[str, str], cwd: Path) -> tuple[Path, bytes]:
    if path is not None:
        return _read_file(str(path), cwd, "--config")
    if VARIABLE in environ:
        return _read_file(environ[VARIABLE], cwd, VARIABLE)
    default = ROOT / "resources" / FILE_NAME
    # lexists: a link that leads nowhere is somebody's configuration too.
    found = next((each for each in (cwd / FILE_NAME, ROOT / FILE_NAME) if os.path.lexists(each)), default)
    return _read_file(str(found), cwd, "nobody, so it is the default")


def _read_file(name: str, cwd: Path, named_by: str) -> tuple[Path, bytes]:
    if not name:  # Path("") would be the working directory
        raise ConfigNotFound("", reason="the name is empty", named_by=named_by)
    # Not resolve(): relative paths in the file are relative to the folder that was named, not to the target of a link.
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


def _mapping(value: object, file: Path, section: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return dict(value)
    if section and _is_empty(value):
        return {}
    raise ConfigNotMapping(file, section=section, found="a list" if isinstance(value, list) else "one value")


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.lower() in _EMPTY)


def _refuse_unknown_keys(sections: Mapping[str, Mapping[str, Any]], file: Path) -> None:
    for section, settings in sections.items():
        prefix = f"{section}." if section else ""
        for name in settings:
            if prefix + name not in _KEYS:
                raise UnknownKey(file, key=prefix + _shown(name), nearest=_nearest(prefix, name), known=_KEYS)


def _nearest(prefix: str, name: str) -> str:
    """The known key that was probably meant: one of the same section, else one of that name in another section."""
    siblings = [key.removeprefix(prefix) for key in _KEYS if key.startswith(prefix)]
    siblings += [] if prefix else [section for section in _SECTIONS if section]
    if close := difflib.get_close_matches(name, siblings, n=1):
        return prefix + close[0]
    elsewhere = {key.rpartition(".")[2]: key for key in _KEYS}
    return next((elsewhere[each] for each in difflib.get_close_matches(name, elsewhere, n=1)), "")


def _read_section(section: str, data: Mapping[str, Any], file: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for each in fields(_SECTIONS[section]):
        raw = data.get(each.name)
        if "reader" not in each.metadata or _is_empty(raw):
            continue
        try:
            if not isinstance(raw, str):
                raise InvalidValue("one value")  # noqa: TRY301 - it gets its place below like every other error
            values[each.name] = each.metadata["reader"](_expand(raw, environ).strip(), file.parent)
        except InvalidValue as error:
            raise error.at(f"{section}.{each.name}".lstrip("."), file, found=_shown(raw)) from None
        except ConfigError as error:
            raise error.at(f"{section}.{each.name}".lstrip("."), file) from None
    return values


def _expand(raw: str, environ: Mapping[str, str]) -> str:
    try:
        return expand(raw, environ)
    except VariableUnset as unset:
        if unset.name != DATA_VARIABLE:
            raise
    return expand(raw, {**environ, DATA_VARIABLE: str(create_data_folder())})


def _shown(raw: object) -> str:
    """What the file says, variables not replaced: short, on one line, and without a password."""
    if not isinstance(raw, str):
        return "a list" if isinstance(raw, list) else "keys with values"
    text = redact_url(raw) if "://" in raw else raw
    return text if text.isidentifier() else json.dumps(text[:60], ensure_ascii=False)


def _refuse_two_databases(db: DbConfig, file: Path) -> None:
    """Migrations must move the database that the application uses; servers and names may differ behind a pooler."""
    url, admin_url = db.url, db.migration_url
    engines = {url.get_backend_name(), admin_url.get_backend_name()}
    if len(engines) > 1 or ("sqlite" in engines and url != admin_url):
        raise InvalidValue("the same database as db.url").at("db.admin_url", file, found=redact_url(admin_url))
