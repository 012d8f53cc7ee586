"""Breaks each protection, and checks that its tests fail: `make test-mutations`.

Each worker has a copy of the project. All of them use one PostgreSQL server. The named tests run once without a patch,
because a test that always fails shows nothing. Exit code 1 means that the tests of a patch passed, or that a patch does
not fit the code any more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from antarest.migration.scratch.databases import KIND_VARIABLE, URL_VARIABLE, postgres_server
from tests.mutations.findings import FINDINGS
from tests.mutations.generated_rows import ROWS
from tests.mutations.patch import Patch, failing
from tests.mutations.promises import PROMISES
from tests.mutations.proof import PROOF
from tests.mutations.rules import RULES
from tests.support.projects.checkouts import Checkout

PATCHES = (*PROMISES, *RULES, *FINDINGS, *PROOF, *ROWS)


def main() -> int:
    """Try the patches whose name or path contains a word, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("word", nargs="?", default="", help="only patches with this word in their name or path")
    parser.add_argument("--workers", type=int, default=2, help="how many copies are worked on at once (default: 2)")
    asked = parser.parse_args()
    chosen = [patch for patch in PATCHES if asked.word in patch.name or asked.word in patch.path]
    with postgres_server() as server, _copies(asked.workers) as copies:
        url = server.url.render_as_string(hide_password=False)
        os.environ.update({KIND_VARIABLE: "url", URL_VARIABLE: url})  # for the processes of pytest
        wrong = _without_patches(copies, chosen, asked.workers) + _with_patches(copies, chosen, asked.workers)
    print(f"patches: {len(chosen)}, wrong: {wrong}")
    return int(wrong > 0)


def _without_patches(copies: SimpleQueue[Path], chosen: Sequence[Patch], workers: int) -> int:
    tests = sorted({test for patch in chosen for test in patch.tests})
    shares = [tests[number::workers] for number in range(workers) if tests[number::workers]]

    def run(share: Sequence[str]) -> list[str]:
        root = copies.get()
        try:
            return failing(root, share)
        finally:
            copies.put(root)

    with ThreadPoolExecutor(workers) as pool:
        failed = [test for found in pool.map(run, shares) for test in found]
    for test in failed:
        print(f"FAILS WITHOUT A PATCH  {test}", flush=True)
    return len(failed)


def _with_patches(copies: SimpleQueue[Path], chosen: Sequence[Patch], workers: int) -> int:
    def run(patch: Patch) -> str:
        root = copies.get()
        try:
            if patch.is_stale(root):
                return "STALE"
            passed = patch.survives(root)
            return f"SURVIVES {', '.join(passed)}" if passed else "caught"
        finally:
            copies.put(root)

    wrong = 0
    with ThreadPoolExecutor(workers) as pool:
        for patch, result in zip(chosen, pool.map(run, chosen), strict=True):
            wrong += result != "caught"
            print(f"{result:<9} {patch.name}  ({patch.path})", flush=True)
    return wrong


@contextmanager
def _copies(number: int) -> Iterator[SimpleQueue[Path]]:
    copies: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="antarest-mutations-") as folder:
        for copy in range(number):
            copies.put(Checkout.create(Path(folder, str(copy))).path)
        yield copies


if __name__ == "__main__":
    sys.exit(main())
