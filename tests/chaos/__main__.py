"""The program: which trials are run, what is printed, and the exit code."""

from __future__ import annotations

import sys

from tests.chaos import program

if __name__ == "__main__":
    sys.exit(program.main(sys.argv[1:]))
