"""Prints a table of the faults that the proof finds: `make test-random ARGS=--examples=10`."""

from __future__ import annotations

import argparse
import sys

from hypothesis import HealthCheck, Phase, given, seed, settings

from antarest.migration.scratch.databases import PostgresServer, postgres_server
from tests.random_histories.history import History, histories, id_of, source
from tests.random_histories.mutations import MUTATIONS, Mutation, mutated
from tests.random_histories.trial import is_caught, prove


def main() -> int:
    """Prove clean histories, and histories of each kind of fault.

    Returns:
        0 where all clean ones are clean and all faults are found, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.random_histories", description=__doc__)
    parser.add_argument("--examples", type=int, default=10, help="histories of each kind")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other histories")
    parser.add_argument("--kind", default="", help="only the kinds whose name has these words")
    asked = parser.parse_args()
    print("| fault | found as | tried | found |", "|---|---|---|---|", sep="\n", flush=True)
    missed = 0
    with postgres_server() as server:
        for mutation in (None, *MUTATIONS):
            name, ids = (mutation.name, sorted(mutation.ids)) if mutation else ("none", ["nothing"])
            if asked.kind in name:
                results = _try(mutation, asked, server)
                print(f"| {name} | {', '.join(ids)} | {len(results)} | {sum(results)} |", flush=True)
                missed += results.count(False)
    return int(missed > 0)


def _try(mutation: Mutation | None, asked: argparse.Namespace, server: PostgresServer) -> list[bool]:
    """Prove some histories with one fault or without. For each, return whether the result is right."""
    results: list[bool] = []

    @seed(asked.seed)
    @settings(
        max_examples=asked.examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(mutation) if mutation else histories())
    def prove_one(history: History) -> None:
        # The revisions before a fault are a history without one, which is proved on its own.
        found = prove(history, server, only=[id_of(len(history) - 1)] if mutation else ())
        is_right = is_caught(mutation, history, found) if mutation else not (found.findings or found.not_proved)
        results.append(is_right)
        if not is_right:
            print(source(history), *found.findings, *found.not_proved, sep="\n", file=sys.stderr, flush=True)

    prove_one()
    return results


if __name__ == "__main__":
    sys.exit(main())
