"""The command line of `antarest-db` and `python -m antarest.migration`, made from the table of verbs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors.settings.commands import PROGRAM, PROVER, spelled
from ..errors.settings.location import PACKAGE
from ..errors.text import first_line
from .arguments import ArgumentParser
from .table import EVERYWHERE, VERBS, run


def _is_program() -> bool:
    """Return whether this program is `antarest-db`."""
    return Path(sys.argv[0]).name == PROGRAM


def _parser() -> ArgumentParser:
    is_prover = Path(sys.argv[0]).name == PROVER  # The prover's verb is not on the command line.
    called = PROVER if is_prover else PROGRAM if _is_program() else f"python -m {PACKAGE}"
    parser = ArgumentParser(prog=called, description="Move a database safely between revisions.", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        summary = first_line(verb.call.__doc__ or "")
        sub = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        sub.prog = PROVER if is_prover else sub.prog
        for word in verb.words:
            sub.add_argument(word, metavar=word.upper(), help=verb.flag(word).help)
        for each in dict.fromkeys((*verb.flags, *EVERYWHERE)):
            flag = verb.flag(each)
            takes: dict[str, Any] = {"metavar": flag.value} if flag.value else {"action": "store_true"}
            takes |= {"action": "append"} if each == "x" or flag.repeats else {}
            names = ["-c", spelled(each)] if each == "project" else [spelled(each)]  # Alembic's -c
            sub.add_argument(*names, dest=each, help=flag.help, **takes)
    return parser


def _verb_first(words: Sequence[str]) -> Sequence[str]:
    """Return the words of a command line with `-c` and `-x` behind the verb. Alembic has them before the verb."""
    at = 0
    while words[at : at + 1] and words[at][:2] in {"-c", "-x"}:
        at += 1 if words[at][2:] else 2
    return [*words[at : at + 1], *words[:at], *words[at + 1 :]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in the arguments, or in the command line of the process, and return the exit code."""
    options = vars(_parser().parse_args(_verb_first(sys.argv[1:] if arguments is None else arguments)))
    verb = options.pop("verb")
    return run(verb, or_own=_is_program() and verb != "verify", **options)
