"""The command lines of the server and of the desktop application."""

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
class LaunchOptions:
    """The options of the command line.

    Args:
        program: the command line that started the program, without its arguments, for the hints of errors.
        arguments: the arguments of the program.
        config: the configuration file that the user named.
        host: the address to listen on; None for the configured address.
        port: the port; None for the configured port.
        auto_upgrade_db: whether to upgrade a database that is not at head.
        debug: whether to show the traceback of an error.
    """

    program: str
    arguments: Sequence[str] = field(default=())
    config: str | None = None
    host: str | None = None
    port: int | None = None
    auto_upgrade_db: bool = False
    debug: bool = False

    def command(self, *further: str) -> str:
        """Return this command line with further flags added."""
        return " ".join([self.program, shlex.join([*self.arguments, *further])]).strip()


def parser(description: str) -> ArgumentParser:
    """Return a parser with the flags that every launcher has."""
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


def read(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> LaunchOptions:
    """Read a command line. Flags that are not fields of `LaunchOptions`, such as `--no-browser`, are left out."""
    found = vars(parser.parse_args(arguments))
    known = {name: value for name, value in found.items() if name in LaunchOptions.__dataclass_fields__}
    return LaunchOptions(program=program(), arguments=tuple(arguments), **known)


def program() -> str:
    """Return the command line that started this program, without its arguments."""
    if not sys.argv[0].endswith(".py"):
        name = Path(sys.argv[0]).name
        return commands.typed(name) or name
    words = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    return shlex.join(words)


def text(value: str) -> str:
    """Return the value, or refuse an empty value, because `--config=$UNSET` does not mean the default."""
    if not value:
        raise argparse.ArgumentTypeError("has no value")
    return value


def _port(value: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", value) or int(value) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {_LAST_PORT}, not {value[:60]!r}")
    return int(value)
