"""`python -m antarest.migration.verify` does the same as `antarest-verify`."""

import sys

from ..__main__ import verify

if __name__ == "__main__":
    sys.exit(verify())
