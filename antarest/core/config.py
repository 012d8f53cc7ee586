"""The configuration of the application: the settings of the workflow, and the address of the web server.

A new setting is a field with a reader function, and needs a line in the docstring of its class. A new section is a
dataclass of such fields, and needs an entry in `SECTIONS`. `make docs` writes the pages and the default configuration
from the fields and docstrings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from antarest.migration.errors.settings import config, readers


@dataclass(frozen=True)
class ServerConfig:
    """The address of the web server.

    Args:
        host: the address to listen on; 0.0.0.0 means every address, and opens the server to the network.
        port: the port to listen on.
    """

    host: str = field(default="127.0.0.1", metadata={"reader": readers.text})
    port: int = field(default=8080, metadata={"reader": readers.number(1, 65535)})


SECTIONS: Final[config.Sections] = {"server": ServerConfig}


@dataclass(frozen=True)
class AppConfig(config.Config):
    """The settings of the workflow, and the settings of the application. `load_config` returns this object."""

    @property
    def server(self) -> ServerConfig:
        """The address of the web server."""
        server: ServerConfig = self.sections.get("server", ServerConfig())
        return server

    @classmethod
    def of(cls, read: config.Config) -> AppConfig:
        """Return a configuration as an `AppConfig`. The configuration must have been read with `SECTIONS`."""
        return cls(read.db, read.source, read.environment, read.sections)


def load_config(
    path: str | Path | None = None, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AppConfig:
    """Find the configuration file, and read the settings of the workflow and of the application.

    Args:
        path: the file that the user named (`--config`); it overrides `ANTAREST_CONF`.
        environ: the environment, for `ANTAREST_CONF` and `${VARIABLE}`; by default the environment of the process.
        cwd: the folder to look in, and the base of relative paths; by default the working directory.

    Raises:
        ConfigError: the file is missing or cannot be used. The subclass of the error tells the reason.
    """
    return AppConfig.of(config.load_config(path, sections=SECTIONS, environ=environ, cwd=cwd))
