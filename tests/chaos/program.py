"""Which trials are run, and what is printed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from antarest.migration.scratch import EngineName, PostgresServer, postgres_server
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.lab import Lab
from tests.chaos.tools import Ours, PlainAlembic, Tool
from tests.chaos.trial import Outcome

ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")


def run_fault(fault: Fault, lab: Lab, trials: int | None, seed: int) -> Outcome:
    random = Random(f"{seed} {fault.name} {lab.engine}")
    total = Outcome()
    begin = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        futures = [pool.submit(trial) for trial in fault.trials(lab, trials, random)]
        for n, future in enumerate(as_completed(futures), 1):
            total += future.result()
            print(f"\r{fault.name} {lab.engine} {n}/{len(futures)} {total.trials} trials {time.monotonic()-begin:.0f} s", end="", file=sys.stderr)
    print(file=sys.stderr)
    return total


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--fault", choices=[f.name for f in FAULTS], action="append")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer", choices=["alembic"])
    options = parser.parse_args(arguments)
    tools = [Ours()] if not options.peer else [PlainAlembic()]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antarest-chaos-")))
        folder.chmod(0o755)
        server = stack.enter_context(postgres_server()) if options.engine != "sqlite" else None
        for engine in ENGINES:
            if options.engine in (None, engine):
                lab = stack.enter_context(Lab(tools[0], engine, server, folder))
                for fault in FAULTS:
                    if engine in fault.engines and (not options.fault or fault.name in options.fault):
                        out = run_fault(fault, lab, options.trials, options.seed)
                        print(fault.name, engine, out.trials, out.faults)
                        for note in out.notes[:5]:
                            print("   ", note)
    return 0
