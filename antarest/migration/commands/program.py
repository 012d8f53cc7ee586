"""The command line of `antarest-db` and `python -m antarest.migration`: the verbs, each with its flags."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ..errors.base import Hint
from ..errors.facts.configuration import UsageError
from ..errors.settings.commands import PROGRAM, spelled
from ..errors.settings.location import PACKAGE, ROOT
from .boundary import print_error
from .cli import VERBS, run


class _Parser(argparse.ArgumentParser):
    """A parser whose errors have the shape of all others."""

    def error(self, message: str) -> NoReturn:
        hint = Hint("See the verbs and their flags", f"{self.prog} --help")
        raise SystemExit(print_error(UsageError(message, hints=[hint])))


def _is_program() -> bool:
    """Whether this is `antarest-db`, which is about our own database wherever it is called from."""
    return Path(sys.argv[0]).name == PROGRAM


def _parser() -> argparse.ArgumentParser:
    called = PROGRAM if _is_program() else f"python -m {PACKAGE}"
    parser = _Parser(prog=called, description="Move a database safely between revisions.", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        summary = (verb.call.__doc__ or "").partition("\n")[0]
        sub = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        for word in verb.words:
            sub.add_argument(word, metavar=word.upper(), help=verb.words_for(word))
        for flag in dict.fromkeys((*verb.flags, "config", "project", "debug")):
            option, words = spelled(flag), verb.words_for(flag)
            if value := verb.value_of(flag):
                sub.add_argument(option, dest=flag, metavar=value, default=None, help=words)
            else:
                sub.add_argument(option, dest=flag, action="store_true", help=words)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the command line names, and return its exit code."""
    options = vars(_parser().parse_args(arguments))
    if _is_program() and options["project"] is None:
        options["project"] = str(ROOT / "alembic.ini")
    return run(options.pop("verb"), **options)
