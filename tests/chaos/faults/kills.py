"""`kill -9`: before each statement, and at random moments.

The runs are killed one after the other on the same database, as long as each killed run leaves the database unchanged.
So each run is the second run after the previous kill. At the end, a run that nothing disturbs completes the work.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.chaos.histories.known import Passage
from tests.chaos.lab import Lab
from tests.chaos.processes import Ended
from tests.chaos.trial import Outcome, Trial

IN_A_ROW = 25

_READS = re.compile(r"\s*(SELECT|PRAGMA|SHOW|ROLLBACK|--)", re.IGNORECASE)


@dataclass(frozen=True)
class Kill:
    """A run that is killed.

    Attributes:
        strike: starts the run, kills it, and returns how it ended.
        looks: whether to look at the database before the next run begins.
        repeats: whether to try again if the run ended before the kill.
    """

    strike: Callable[[Trial], Ended]
    looks: bool = True
    repeats: bool = False


def before_each_statement(lab: Lab, trials: int | None, _random: Random) -> Iterator[Callable[[], Outcome]]:
    """Kill before each statement that writes, and before the statement after the last one.

    `trials` limits the number of kills, which are spread evenly. A statement that only reads leaves the database
    unchanged. Therefore a kill after it would show the same as a kill before it.
    """
    for passage in lab.passages:
        statements = lab.undisturbed(passage).statements
        writes = [number for number, each in enumerate(statements, start=1) if not _READS.match(each)]
        places = [*writes, *([writes[-1] + 1] if writes[-1] < len(statements) else [])]
        if trials:
            places = places[:: max(1, len(places) * len(lab.passages) // trials)]
        kills = [Kill(partial(_before_statement, number, statements[number - 1])) for number in places]
        yield from _rows(lab, passage, kills)


def at_random_moments(lab: Lab, trials: int | None, random: Random) -> Iterator[Callable[[], Outcome]]:
    """Kill the process and all that it started after a random time.

    After every second kill the next run begins at once, while a server may still work for the killed process.
    """
    each = -(-(trials or 200) // len(lab.passages))
    for passage in lab.passages:
        # A rollback by ours plans on a scratch database for most of its time, where there is nothing to break.
        ways = 3 if passage.direction == "upgrade" else 1
        strikes = [partial(_at_random, Random(random.random()), number % ways) for number in range(each)]
        kills = [Kill(strike, looks=number % 2 == 0, repeats=True) for number, strike in enumerate(strikes)]
        yield from _rows(lab, passage, kills)


def _rows(lab: Lab, passage: Passage, kills: Sequence[Kill]) -> Iterator[Callable[[], Outcome]]:
    count = -(-len(kills) // IN_A_ROW)
    for first in range(count):
        yield partial(_in_a_row, lab, passage, kills[first::count])


def _in_a_row(lab: Lab, passage: Passage, kills: Sequence[Kill]) -> Outcome:
    outcome, left = Outcome(), list(kills)
    while left:
        with lab.subject(passage) as subject:
            trial = Trial(lab, subject)
            while left and _kill(trial, left):
                pass
            outcome += trial.complete()
    return outcome


def _kill(trial: Trial, left: list[Kill]) -> bool:
    """Kill one run; return whether another run can be killed on the same database."""
    kill = left.pop(0)
    ended = kill.strike(trial)
    if ended.code == -signal.SIGKILL:
        trial.count()
        return not kill.looks or trial.judge_database() == trial.subject.passage.start
    trial.judge_words(ended)
    if kill.repeats:
        left.append(kill)
    return False


def _before_statement(number: int, statement: str, trial: Trial) -> Ended:
    trial.fault = f"killed before statement {number} ({statement[:60]})"
    return trial.subject.start(statements=trial.subject.counting(fatal=number)).wait()


def _at_random(random: Random, number: int, trial: Trial) -> Ended:
    seconds = random.random() * trial.seconds(number)
    trial.fault = f"killed after {seconds:.2f} s"
    running = trial.subject.start(number)
    time.sleep(seconds)
    running.kill()
    return running.wait()
