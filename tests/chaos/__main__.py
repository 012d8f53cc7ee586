"""`python -m tests.chaos`."""

from __future__ import annotations

import sys

from tests.chaos.program import run

if __name__ == "__main__":
    sys.exit(run())
