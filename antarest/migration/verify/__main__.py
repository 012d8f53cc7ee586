"""`antarest-verify ...`: the command `db.verify`, for a project that has no Invoke."""

from __future__ import annotations

import sys

from antarest.migration.__main__ import main as run


def main() -> int:
    """Run it, and return its exit code."""
    return run(["verify", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
