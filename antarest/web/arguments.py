"""The command line of the launchers."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from antarest import __version__
from antarest.migration.commands.arguments import ArgumentParser
from antarest.migration.errors.settings import commands

_LAST_PORT = 65_535


@dataclass(frozen=True)
class Settings:
    """What the command line says.

    Args:
        program: how the program is called, for the commands that an error names.
        arguments: what followed it.
        config: the configuration file.
        host: where to listen; else the configuration says it.
        port: the port; else the configuration says it.
        auto_upgrade_db: whether an older database is upgraded.
        debug: whether the traceback of an error is shown.
    """

    program: str
    arguments: Sequence[str] = field(default=())
    config: str | None = None
    host: str | None = None
    port: int | None = None
    auto_upgrade_db: bool = False
    debug: bool = False

    def command(self, *further: str) -> str:
        """The same start again, with further flags."""
        return " ".join([self.program, shlex.join([*self.arguments, *further])]).strip()


def parser(description: str) -> ArgumentParser:
    """A parser with the flags that every launcher has."""
    made = ArgumentParser(prog=program(), description=description, allow_abbrev=False)
    made.add_argument(
        "--config",
        metavar="PATH",
        type=text,
        help="the configuration file (default: $ANTAREST_CONF, else application.yaml)",
    )
    made.add_argument("--port", type=_port, help="the port; 0 takes a free one (default: server.port, else 8080)")
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    made.add_argument("--version", action="version", version=f"AntaREST {__version__}", help="show the version")
    return made


def read(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Settings:
    """Read a command line; flags that only one launcher has are left to it."""
    found = vars(parser.parse_args(arguments))
    known = {name: value for name, value in found.items() if name in Settings.__dataclass_fields__}
    return Settings(program=program(), arguments=tuple(arguments), **known)


def program() -> str:
    """How this program was called, so that it can be called so again."""
    if not sys.argv[0].endswith(".py"):
        name = Path(sys.argv[0]).name
        return commands.typed(name) or name
    words = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    return shlex.join(words)


def text(value: str) -> str:
    """A value that is not empty: `--config=$UNSET` is not what leaving the flag out would be."""
    if not value:
        raise argparse.ArgumentTypeError("has no value")
    return value


def _port(value: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", value) or int(value) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {_LAST_PORT}, not {value[:60]!r}")
    return int(value)
