"""Selects the trials to run, and prints the results: `main` is the program."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED
from antarest.migration.errors.text import count
from antarest.migration.scratch.databases import EngineName, postgres_server
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.lab import Broken, Lab
from tests.chaos.tools import Ours, PlainAlembic, Tool
from tests.chaos.trial import Outcome

ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")
OURS = Ours()
PEERS: dict[str, Tool] = {"alembic": PlainAlembic()}

_COLUMNS = {
    "fault": -16,
    "engine": -11,
    "tool": -9,
    "trials": 7,
    "half-way": 9,
    "unusable": 9,
    "rows lost": 10,
    "reruns": 7,
    "unclear": 8,
    "seconds": 8,
}
_NOTES = 3  # of each line

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Line:
    """A line of the table; `parts` are the numbers of the parts of its trials in which something is not zero."""

    fault: str
    engine: str
    tool: str
    outcome: Outcome
    seconds: float
    parts: tuple[int, ...] = ()

    @property
    def not_zero(self) -> str:
        """The numbers that should be zero but are not."""
        counts = ", ".join(
            f"{name.replace('_', ' ')} {number}" for name, number in self.outcome.faults.items() if number
        )
        return counts if self.outcome.trials else "no trial was run"

    @property
    def has_failed(self) -> bool:
        """Whether a number that should be zero is not zero, or there was no trial."""
        return not self.outcome.is_clean or not self.outcome.trials

    def __str__(self) -> str:
        """The line of the table."""
        counted = (self.outcome.trials, *self.outcome.faults.values())
        return _row(self.fault, self.engine, self.tool, *counted, round(self.seconds))


def measure(
    fault: Fault,
    lab: Lab,
    *,
    trials: int | None = None,
    seed: int = 0,
    part: int | None = None,
    progress: Progress | None = None,
) -> Line:
    """Run the trials of a fault, as many at the same time as the processors can run.

    Args:
        fault: the fault.
        lab: the lab in which the trials run.
        trials: the largest number of trials; None for the usual number of this fault.
        seed: the seed of the random decisions.
        part: the only part to run, by its number; None for all.
        progress: called with the progress.

    Raises:
        Broken: a run failed although nothing disturbed it.
    """
    begin = time.monotonic()
    total = Outcome()
    random = Random(f"{seed} {fault.name} {lab.engine}")
    with ThreadPoolExecutor((os.cpu_count() or 1) * fault.at_once) as pool:
        numbered = enumerate(fault.trials(lab, trials, random), start=1)
        parts = {pool.submit(run): number for number, run in numbered if part in {None, number}}
        failed = []
        try:
            for ended, each in enumerate(as_completed(parts), start=1):
                outcome = each.result()
                failed += [] if outcome.is_clean else [parts[each]]
                total += outcome
                if progress:
                    done = f"{ended} of {len(parts)} parts, {total.trials} trials"
                    progress(f"{fault.name}, {lab.engine}, {lab.tool.name}: {done}, {time.monotonic() - begin:.0f} s")
        finally:
            pool.shutdown(cancel_futures=True)
    return Line(fault.name, lab.engine, lab.tool.name, total, time.monotonic() - begin, tuple(sorted(failed)))


def main(arguments: Sequence[str]) -> int:
    """Run the requested trials, print the results, and return the exit code: 0 if all our numbers are zero."""
    options = _parser().parse_args(arguments)
    tools: list[Tool] = [OURS, *([PEERS[options.peer]] if options.peer else [])]
    faults = [fault for fault in FAULTS if not options.fault or fault.name in options.fault]
    engines = [options.engine] if options.engine else ENGINES
    lines: list[Line] = []
    begin = time.monotonic()
    with _progress() as progress, _labs(engines, tools) as (labs, environment):
        _say(options.json, f"{environment}, seed {options.seed}", _row(*_COLUMNS))
        for fault in faults:
            for lab in labs:
                if lab.engine in fault.engines:
                    wishes = {"trials": options.trials, "seed": options.seed, "part": options.part}
                    lines.append(measure(fault, lab, **wishes, progress=progress))
                    progress("")
                    _say(options.json, str(lines[-1]))
    failed = [line for line in lines if line.tool == OURS.name and line.has_failed]
    if options.json:
        print(json.dumps({"environment": environment, "seed": options.seed, "lines": [asdict(line) for line in lines]}))
    else:
        print(_end(lines, failed, time.monotonic() - begin, options))
    return EXIT_FAILED if failed else EXIT_DONE


@contextmanager
def _labs(engines: Sequence[EngineName], tools: Sequence[Tool]) -> Iterator[tuple[list[Lab], str]]:
    """The labs, and a line that names the machine and the versions."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antarest-chaos-")))
        folder.chmod(0o755)  # also for users without rights
        server = stack.enter_context(postgres_server()) if "postgresql" in engines else None
        facts = [
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
            f"Python {platform.python_version()}",
            f"SQLite {sqlite3.sqlite_version}",
            *([f"PostgreSQL {server.version} ({server.kind})"] if server else []),
            *(f"{name} {version(name)}" for name in ("Alembic", "SQLAlchemy")),
        ]
        labs = [stack.enter_context(Lab(tool, engine, server, folder)) for engine in engines for tool in tools]
        yield labs, ", ".join(facts)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Return a function that writes its line over the previous one, on a terminal."""

    def show(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{text[:119]}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        show("")


def _row(*cells: object) -> str:
    parts = (
        f"{cell!s:{'<' if width < 0 else '>'}{abs(width)}}"
        for cell, width in zip(cells, _COLUMNS.values(), strict=True)
    )
    return " ".join(parts).rstrip()


def _say(is_json: bool, *texts: str) -> None:
    if not is_json:
        print(*texts, sep="\n", flush=True)


def _end(lines: Sequence[Line], failed: Sequence[Line], seconds: float, options: argparse.Namespace) -> str:
    notes = [
        f"{line.fault}, {line.engine}, {line.tool}: {note}"
        for line in lines
        for note in list(dict.fromkeys(line.outcome.notes))[:_NOTES]
    ]
    trials = f" --trials={options.trials}" if options.trials else ""
    for line in failed:
        notes.append(f"{line.fault}, {line.engine}: {line.not_zero}")
        repeat = f"--fault={line.fault} --engine={line.engine} --seed={options.seed}{trials}"
        notes += [f'  to repeat it: make test-chaos ARGS="{repeat} --part={part}"' for part in line.parts[:_NOTES]]
    result = f"{count(len(failed), 'line')} of ours not zero" if failed else "all of ours is zero"
    return "\n".join([*notes, f"{sum(line.outcome.trials for line in lines)} trials in {seconds:.0f} s: {result}"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Break migrations on purpose, and count what becomes of the database.",
        epilog="Every number but the trials is to be zero; the exit code is 1 where one of ours is not.",
    )
    parser.add_argument("--engine", choices=ENGINES, help="on this engine only")
    parser.add_argument(
        "--fault", choices=[fault.name for fault in FAULTS], action="append", help="this one; repeatable"
    )
    parser.add_argument("--trials", type=int, help="so many of each fault (default: its own measure)")
    parser.add_argument("--part", type=int, help="only this part of the trials, as the end of a run names it")
    parser.add_argument("--seed", type=int, default=0, help="for what chance decides (default: 0)")
    parser.add_argument("--peer", choices=PEERS, help="run this tool as well, on the same histories")
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    return parser


def run() -> int:
    """The program."""
    try:
        return main(sys.argv[1:])
    except Broken as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
