"""An application that continues to write: its sessions insert, update and delete in every table during the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.histories.known import WRITTEN, Passage
from tests.chaos.lab import Lab
from tests.chaos.states import read_state
from tests.chaos.trial import Outcome, Trial
from tests.chaos.writers import read_texts, writing

_PATIENT = {"lock_timeout": 2, "lock_retries": 50}
_NAMED = re.compile(r"\blost \S+: ([\d,]+) (?:rows?|values?)\b")


def writers(lab: Lab, trials: int | None, random: Random) -> Iterator[Callable[[], Outcome]]:
    """Upgrade and roll back in turn, while other sessions write at full speed."""
    passages = [Passage(WRITTEN, direction) for direction in ("upgrade", "downgrade")]
    for number in range(trials or 100):
        yield partial(_beside_writers, lab, passages[number % 2], number, Random(random.random()))


def _beside_writers(lab: Lab, passage: Passage, number: int, random: Random) -> Outcome:
    with lab.subject(passage, **_PATIENT) as subject:
        trial = Trial(lab, subject)
        trial.fault = f"trial {number}, beside writers"
        texts = {*read_texts(subject.url)}
        with writing(subject.url, random) as sessions:
            ended = subject.start(number // 2).wait()
        trial.count()
        trial.judge_words(ended)
        if ended.code != 0:
            trial.blame(f"it failed beside writers, with exit code {ended.code}: {ended.said[-300:]}", reruns=1)
        for session in sessions:
            texts |= session.added
        for session in sessions:
            texts -= session.removed | session.unknown
        if deadlocks := sum(session.deadlocks for session in sessions):
            trial.blame(f"{deadlocks} transactions of the application were ended by a deadlock", reruns=deadlocks)
        found = read_texts(subject.url).keys()
        missing = texts - found
        if back := found & {text for session in sessions for text in session.removed}:
            trial.blame(f"{len(back)} deleted texts are back", rows_lost=len(back))
        named = sum(int(number.replace(",", "")) for number in _NAMED.findall(ended.said))
        if len(missing) > named:
            trial.blame(f"{len(missing)} texts are missing, and {named} were named", rows_lost=len(missing) - named)
        _judge_schema(lab, trial, passage)
        return trial.outcome


def _judge_schema(lab: Lab, trial: Trial, passage: Passage) -> None:
    """Judge whether the schema is exactly that of the revision that the database records."""
    try:
        state = read_state(trial.subject.url)
    except SQLAlchemyError as error:
        trial.blame(f"it cannot be read: {error}".partition("\n")[0], half_way=1)
        return
    if len(state.revisions) != 1 or state.revisions[0] not in passage.path:
        trial.blame(f"it records {state.revisions}", half_way=1)
    elif wrong := lab.reference(passage, state.revisions[0]).other_objects(state):
        trial.blame(f"left between two revisions: {wrong[0]}", half_way=1)
