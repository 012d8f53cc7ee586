"""Measures two commands (the sides) in turn, and compares the medians of their times."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support.projects.checkouts import ROOT

BIN = Path(sys.executable).parent
REPEATS = 5


@dataclass(frozen=True)
class Side:
    """A command to measure, and a function that prepares each run of the command."""

    command: Sequence[str | Path]
    folder: Path
    env: Mapping[str, str]
    prepare: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Known:
    """A target that is missed for a known reason.

    Attributes:
        most: the largest ratio or amount that this reason explains.
        why: the reason.
    """

    most: float
    why: str


@dataclass(frozen=True)
class Row:
    """A row of the table of results.

    Attributes:
        what: a text that says what was measured.
        ours: the median for our command, usually in seconds.
        theirs: the median for the other command, in the same unit; 0 if there is no other command.
        target: the largest allowed ratio or amount; empty if there is no target.
        verdict: "met", "known" if the target is missed for a known reason, or "missed"; empty without a target.
        note: a further text for the row.
    """

    what: str
    ours: float
    theirs: float
    target: str
    verdict: Literal["", "met", "known", "missed"]
    note: str = ""

    @property
    def ratio(self) -> float:
        """The value of our command divided by the value of the other command; 0 if there is no other command."""
        return self.ours / self.theirs if self.theirs else 0.0


def compare(
    what: str,
    ours: Side,
    theirs: Side,
    most: float | None,
    known: Known | None = None,
    *,
    repeats: int = REPEATS,
    note: str = "",
) -> Row:
    """Run two commands in turn, and return the row that compares the medians of their times."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(repeats):
        for name, side in (("ours", ours), ("theirs", theirs)):
            times[name].append(run(side))
    return row(what, statistics.median(times["ours"]), statistics.median(times["theirs"]), most, known, note=note)


def alternate(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Call two functions in turn, and return the medians of their times in seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for call, taken in ((ours, times[0]), (theirs, times[1])):
            began = time.perf_counter()
            call()
            taken.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def row(
    what: str, ours: float, theirs: float, most: float | None, known: Known | None = None, *, note: str = ""
) -> Row:
    """Return a row whose target is a ratio."""
    if most is None:
        return Row(what, ours, theirs, "", "", note)
    if ours > most * theirs and known and ours <= known.most * theirs:
        return Row(what, ours, theirs, f"{most:g}", "known", known.why)
    return Row(what, ours, theirs, f"{most:g}", "met" if ours <= most * theirs else "missed", note)


def within(
    what: str, ours: float, most: float, unit: str, theirs: float = 0, *, target: str = "", known: Known | None = None
) -> Row:
    """Return a row whose target is an amount. The limit of `known` is an amount too."""
    target = target or f"{most:g} {unit}"
    if ours > most and known and ours <= known.most:
        return Row(what, ours, theirs, target, "known", known.why)
    return Row(what, ours, theirs, target, "met" if ours <= most else "missed")


def run(side: Side) -> float:
    """Run a command once.

    Returns:
        The seconds that the command took, without its preparation.
    """
    side.prepare()
    began = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in side.command],
        cwd=side.folder,
        env=environment(side),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{side.command}: {done.stderr[-500:]}{done.stdout[-500:]}")
    return seconds


def cpu_seconds(side: Side, repeats: int = REPEATS) -> float:
    """Return the median CPU time of a command in seconds. Other programs on the machine have little effect on it."""
    taken = []
    for _ in range(repeats):
        before = os.times()
        run(side)
        after = os.times()
        taken.append(sum(after[2:4]) - sum(before[2:4]))
    return statistics.median(taken)


def peak_memory(side: Side) -> float:
    """Return the largest amount of memory that a command used, in MiB, as a separate process measures it."""
    program = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    side.prepare()
    said = subprocess.run(
        [sys.executable, "-c", program, *(str(part) for part in side.command)],
        cwd=side.folder,
        env=environment(side),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return int(said.split()[-1]) / 1024


def environment(side: Side) -> dict[str, str]:
    """Return the environment for a command. As for a user, Python stores compiled files."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, [str(ROOT), side.env.get("ADDED_PATH")]))
    return {**own, "PATH": f"{BIN}:{own['PATH']}", "PYTHONPATH": path, **side.env}
