"""What is judged when something has happened to a migration, and how it is counted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.lab import Lab, Subject
from tests.chaos.processes import Ended
from tests.chaos.states import read_state

_RUNS = 2  # after the one that was disturbed: one must do, and one more tells a nuisance from an unusable database


@dataclass(frozen=True)
class Outcome:
    """What became of some trials. All but the first number are to be zero.

    Attributes:
        trials: how many there were.
        half_way: databases that were not exactly at a revision afterwards: its schema, and all rows.
        unusable: databases that no further run brought to where the command was to go.
        rows_lost: rows that were gone, or had other values, in the end.
        reruns: runs that nothing disturbed any more and that failed, so that somebody has to start them again.
        unclear: runs that failed without a clear error, did not end, or said something else than what had happened.
        notes: what it was, for whoever looks into it.
    """

    trials: int = 0
    half_way: int = 0
    unusable: int = 0
    rows_lost: int = 0
    reruns: int = 0
    unclear: int = 0
    notes: tuple[str, ...] = ()

    def __add__(self, other: Outcome) -> Outcome:
        """Both together."""
        return Outcome(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def faults(self) -> dict[str, int]:
        """The numbers that are to be zero."""
        return {name: getattr(self, name) for name in ("half_way", "unusable", "rows_lost", "reruns", "unclear")}

    @property
    def is_clean(self) -> bool:
        """Whether they are."""
        return not any(self.faults.values())


class Trial:
    """One database that things happen to.

    Attributes:
        subject: the database, and its commands.
        outcome: what became of it so far.
        fault: what is done to it right now, for the notes.
    """

    def __init__(self, lab: Lab, subject: Subject) -> None:
        """Begin with a database at the start of its passage."""
        self.subject = subject
        self.outcome = Outcome()
        self.fault = "undisturbed"
        self._lab = lab

    def count(self) -> None:
        """The fault has struck."""
        self.outcome += Outcome(trials=1)

    def seconds(self, number: int) -> float:
        """How long the command takes when nothing disturbs it."""
        return self._lab.seconds(self.subject.passage, number)

    def blame(self, note: str, **counts: int) -> None:
        """Count something that must not be."""
        self.outcome += Outcome(**counts, notes=(f"{self.subject.passage.name}, {self.fault}: {note}",))

    def judge_words(self, ended: Ended) -> None:
        """A run that ended by itself has done what it was told and says so, or says why not, clearly."""
        if ended.code is None:
            self.blame("it did not end", unclear=1)
        elif ended.code == 0:
            found = self._revisions()
            if found != (self.subject.passage.target,):
                self.blame(f"it says that it succeeded, and the database is at {found}", unclear=1)
        elif ended.code > 0 and not self.subject.tool.is_clear(ended.code, ended.said):
            self.blame(f"exit code {ended.code}, without a clear error: {_end(ended.said)}", unclear=1)

    def judge_database(self) -> str:
        """It is exactly at a revision. Returns that revision, and nothing where it is not."""
        self.subject.wait_until_quiet()
        revision, differences, _ = self._look()
        if differences:
            self.blame(f"left between two revisions: {differences[0]}", half_way=1)
            return ""
        return revision

    def complete(self) -> Outcome:
        """A further run, which nothing disturbs, brings it to its target with all rows. Returns the whole outcome."""
        passage = self.subject.passage
        for number in range(_RUNS):
            ended = self.subject.start(number).wait()
            if ended.code == 0:
                break
            self.blame(f"a further run failed with exit code {ended.code}: {_end(ended.said)}", reruns=1)
        self.subject.wait_until_quiet()
        revision, differences, missing = self._look()
        if revision != passage.target or (differences and not missing):
            wrong = differences or [f"it is at {revision}"]
            self.blame(f"no further run mends it: {wrong[0]}", unusable=1)
        if missing:
            self.blame(f"{missing} rows are missing or changed: {differences[0]}", rows_lost=missing)
        return self.outcome

    def _look(self) -> tuple[str, list[str], int]:
        """The revision that it records, how it differs from that, and how many rows are missing."""
        passage = self.subject.passage
        try:
            state = read_state(self.subject.url)
        except SQLAlchemyError as error:
            return "", [f"it cannot be read: {error}".partition("\n")[0]], 0
        known = len(state.revisions) == 1 and state.revisions[0] in passage.history.revisions
        revision = state.revisions[0] if known else ""
        expected = self._lab.reference(passage, revision or passage.start)
        return revision, expected.differences(state), expected.rows_missing_in(state)

    def _revisions(self) -> tuple[str, ...]:
        try:
            return read_state(self.subject.url).revisions
        except SQLAlchemyError:
            return ()


def _end(said: str) -> str:
    """The line of an output that says most: ours begin with "error", and a traceback ends with its error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error ")]
    return (errors or lines or ["(nothing)"])[-1][:200]


def joined(outcomes: Any) -> Outcome:
    """All of them together."""
    return sum(outcomes, Outcome())
