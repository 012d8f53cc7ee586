"""The command line on a host without Invoke: `antarest-db VERB ...`, or `python -m antarest.migration VERB ...`."""

from __future__ import annotations

import gc
import shlex
import sys
from collections.abc import Sequence

from .errors.settings import bootstrap


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the command line, and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    code = bootstrap.prepare(shlex.join(["-m", __package__, *words]))
    if code:
        return code
    from .commands import program  # Imported here: before `prepare`, its packages may be missing.

    gc.freeze()  # The imported modules stay, so the garbage collector does not look through them again and again.
    return bootstrap.finish(program.main(words))


def verify() -> int:
    """Run the verb `verify` with the arguments of the program `antarest-verify`, and return its exit code."""
    return main(["verify", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
