"""Measure everything: `python -m benchmarks [--only=NAME] [--write]`.

`--write` puts the tables into `docs/performance.md`. Exit code 1 means that a target is missed for no known reason.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from antarest.migration.branches.generated import with_block
from antarest.migration.scratch.databases import KIND_VARIABLE, URL_VARIABLE, PostgresServer, postgres_server
from benchmarks import commands, data, databases, proof
from benchmarks.measure import Row
from tests.support.projects.checkouts import ROOT

PAGE = ROOT / "docs" / "performance.md"
Part = Callable[[Path, PostgresServer], Iterator[Row]]
PARTS: dict[str, Part] = {
    "head": commands.at_head,
    "look": commands.looking,
    "launch": commands.launching,
    "empty": commands.from_nothing,
    "models": commands.models,
    "hook": commands.hook,
    "tests": databases.for_a_test,
    "data": data.moving,
    "proof": proof.proving,
}


VERDICTS = {"": "", "met": "met", "known": "missed", "missed": "**missed, and nobody knows why**"}


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    lines = ["| what | ours | plain | ratio | target | |", "|---|---|---|---|---|---|"]
    for row in rows:
        note = "; ".join(filter(None, (VERDICTS[row.verdict], row.note)))
        ratio = f"{row.ratio:.2f}" if row.theirs else ""
        theirs = f"{row.theirs:.3f}" if row.theirs else ""
        lines.append(f"| {row.what} | {row.ours:.3f} | {theirs} | {ratio} | {row.target} | {note} |")
    return "\n".join(lines)


def machine(server: PostgresServer) -> str:
    """Return a text that names the system, Python, the packages and the engines of the measurement."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("alembic", "sqlalchemy", "psycopg2-binary"))
    return (
        f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}, {packages}, "
        f"SQLite {sqlite3.sqlite_version}, PostgreSQL {server.version} ({server.kind})"
    )


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    arguments = parser.parse_args()
    compileall.compile_dir(ROOT / "antarest", quiet=2)  # As `make install` does.
    rows: list[Row] = []
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server())
        # With these variables, no measured command starts a server of its own.
        os.environ.update({KIND_VARIABLE: "url", URL_VARIABLE: server.url.render_as_string(hide_password=False)})
        print(machine(server), flush=True)
        for name in arguments.only or PARTS:
            found = []
            with TemporaryDirectory(prefix=f"antarest-bench-{name}-") as folder:
                for row in PARTS[name](Path(folder), server):
                    found.append(row)
                    print(table([row]).splitlines()[-1], flush=True)
            rows += found
            if arguments.write:
                content = f"\nMeasured on {date.today()}: {machine(server)}.\n\n{table(found)}\n\n"  # noqa: DTZ011
                PAGE.write_text(with_block(PAGE.read_text(encoding="utf-8"), name, content), encoding="utf-8")
    print(f"\n{table(rows)}")
    return 1 if any(row.verdict == "missed" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
