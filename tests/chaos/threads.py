"""Four threads of one process upgrade the same database: `python -m tests.chaos.threads antarest|alembic`.

The exit code is the number of threads that failed.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from alembic import command
from alembic.config import Config

from antarest.core.persistence import upgrade_db
from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.rendering import render_error

THREADS = 4


def upgrade(tool: str, together: Barrier) -> str:
    """Upgrade in one of the threads; return the error."""
    together.wait()
    try:
        if tool == "antarest":
            upgrade_db()
        else:
            command.upgrade(Config("alembic.ini"), "head")
    except AntarestError as error:
        return render_error(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
        return f"Traceback of a thread: {error!r}\n"
    return ""


def main() -> int:
    """Run the threads, and report their errors."""
    together = Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        failures = [text for text in pool.map(upgrade, sys.argv[1:] * THREADS, [together] * THREADS) if text]
    print(*failures, sep="\n")
    return len(failures)


if __name__ == "__main__":
    sys.exit(main())
