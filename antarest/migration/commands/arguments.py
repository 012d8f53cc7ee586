"""The parser of all command lines of this package. The module imports little, so that a program starts quickly."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from ..errors.base import Hint
from ..errors.facts.configuration import UsageError
from ..errors.rendering import render_error


class ArgumentParser(argparse.ArgumentParser):
    """A parser that prints its errors in the same form as the other errors of a command."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit."""
        error = UsageError(message, Hint("See the flags", f"{self.prog} --help"))
        sys.stderr.write(render_error(error))
        raise SystemExit(error.exit_code)
