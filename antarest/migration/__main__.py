"""`python -m antarest.migration VERB ...`: the commands of the workflow, for a host without Invoke."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from antarest.core.errors import Hint, UsageError
from antarest.migration.cli import VERBS, print_error, run
from antarest.migration.flags import FLAGS, TEXTS, spelled


class _Parser(argparse.ArgumentParser):
    """A parser whose errors have the shape of all others."""

    def error(self, message: str) -> NoReturn:
        hint = Hint("See the verbs and their flags", f"{self.prog} --help")
        raise SystemExit(print_error(UsageError(message, hints=[hint])))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m antarest.migration", description="Move a database safely between revisions.", allow_abbrev=False
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        summary = (verb.call.__doc__ or "").partition("\n")[0]
        sub = verbs.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        for flag in (*verb.flags, "config", "project", "debug"):
            option = spelled(flag)
            if flag in TEXTS:
                sub.add_argument(option, dest=flag, metavar=TEXTS[flag], default=None, help=FLAGS[flag])
            else:
                sub.add_argument(option, dest=flag, action="store_true", help=FLAGS[flag])
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the command line names, and return its exit code."""
    options = vars(_parser().parse_args(arguments))
    return run(options.pop("verb"), **options)


if __name__ == "__main__":
    raise SystemExit(main())
