"""The configuration of the application: the database, as the workflow reads it, and where the web server listens.

A new setting is a field with a reader, explained in the docstring of its class; a new section is a dataclass of such
fields, named in `SECTIONS`. `make docs` writes the pages and the development default from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from antarest.migration.errors.settings import config, readers


@dataclass(frozen=True)
class ServerConfig:
    """Where the web server listens.

    Args:
        host: the address to listen on; 0.0.0.0 is every one, for whoever reaches this host.
        port: the port to listen on.
    """

    host: str = field(default="127.0.0.1", metadata={"reader": readers.text})
    port: int = field(default=8080, metadata={"reader": readers.number(1, 65535)})


SECTIONS: Final[config.Sections] = {"server": ServerConfig}


@dataclass(frozen=True)
class Config(config.Config):
    """The whole configuration; see `load_config`."""

    @property
    def server(self) -> ServerConfig:
        """Where the web server listens."""
        server: ServerConfig = self.sections.get("server", ServerConfig())
        return server

    @classmethod
    def of(cls, read: config.Config) -> Config:
        """The configuration, as it was read with the sections of the application."""
        return cls(read.db, read.source, read.environment, read.sections)


def load_config(
    path: str | Path | None = None, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Config:
    """Find the configuration file and read it, with the sections of the application.

    Args:
        path: the file that somebody asked for (`--config`); it beats `ANTAREST_CONF`.
        environ: the environment, for `ANTAREST_CONF` and `${VARIABLE}`; by default that of the process.
        cwd: the folder to look in, and that relative paths are relative to; by default the working directory.

    Raises:
        ConfigError: the file is missing or cannot be used; the subclass says why.
    """
    return Config.of(config.load_config(path, sections=SECTIONS, environ=environ, cwd=cwd))
