"""Many runs at the same moment: processes, and threads of one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from tests.chaos.lab import Lab
from tests.chaos.threads import THREADS
from tests.chaos.trial import Outcome, Trial

_ASSEMBLED = 0.02  # seconds to wait for each further process before the common start


def starters(count: int, lab: Lab, trials: int | None, _random: Random) -> Iterator[Callable[[], Outcome]]:
    """Start this number of processes with all kinds of commands. One process migrates, and all succeed."""
    passage = lab.passages[0]

    def trial() -> Outcome:
        with lab.subject(passage) as subject:
            trial = Trial(lab, subject)
            trial.fault = f"{count} starters"
            together = time.time() + 0.1 + count * _ASSEMBLED
            runs = [subject.start(number, starts_at=together) for number in range(count)]
            ends = [run.wait() for run in runs]
            trial.count()
            for ended in ends:
                trial.judge_words(ended)
                if ended.code != 0:
                    trial.blame(f"one of the starters failed with exit code {ended.code}", reruns=1)
            migrated = sum(ended.code == 0 and subject.tool.migrated(ended.said) for ended in ends)
            if migrated > 1:
                trial.blame(f"{migrated} of them say that they migrated", unclear=1)
            return trial.complete()

    yield from [trial] * (trials or 20)


def threads(lab: Lab, trials: int | None, _random: Random) -> Iterator[Callable[[], Outcome]]:
    """Four threads of one process."""
    passage = lab.passages[0]

    def trial() -> Outcome:
        with lab.subject(passage) as subject:
            trial = Trial(lab, subject)
            trial.fault = f"{THREADS} threads"
            trial.count()
            ended = subject.start_threads().wait()
            if ended.code != 0:
                trial.blame(f"exit code {ended.code}: {ended.said}", reruns=1)
            if "Traceback" in ended.said or ended.code not in range(THREADS + 1):  # or a signal ended it
                trial.blame("one of them failed without a clear error", unclear=1)
            return trial.complete()

    yield from [trial] * (trials or 20)


two, eight, twenty = (partial(starters, count) for count in (2, 8, 20))
