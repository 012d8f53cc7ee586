"""The judgement of a disturbed migration, and the counts of all judgements."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.lab import Lab, Subject
from tests.chaos.processes import Ended
from tests.chaos.states import read_state

_RUNS = 2  # after the one that was disturbed: one must do, and one more tells a nuisance from an unusable database


@dataclass(frozen=True)
class Outcome:
    """The counts of some trials. All but the first number should be zero.

    Attributes:
        trials: how many there were.
        half_way: databases that were not exactly at a revision afterwards: its schema, and all rows.
        unusable: databases that no further run brought to where the command was to go.
        rows_lost: rows that were gone, or had other values, in the end.
        reruns: runs that nothing disturbed any more and that failed, so that somebody has to start them again.
        unclear: runs that failed without a clear error, did not end, or said something else than what had happened.
        notes: descriptions of the damage.
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


@dataclass(frozen=True)
class _Look:
    """Describe the damage: the recorded revision, the wrong objects and rows, and the number of missing rows."""

    revision: str
    objects: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    missing: int = 0

    @property
    def wrong(self) -> list[str]:
        """All that is not as it should be."""
        return [*([] if self.revision else ["it records no revision of its history"]), *self.objects, *self.rows]


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
        return self._lab.undisturbed(self.subject.passage, number).seconds

    def blame(self, note: str, **counts: int) -> None:
        """Count something that must not be."""
        self.outcome += Outcome(**counts, notes=(f"{self.subject.passage.name}, {self.fault}: {note}",))

    def judge_words(self, ended: Ended) -> None:
        """A run that ended by itself has done what it was told and says so, or says why not, clearly."""
        if ended.code is None:
            self.blame("it did not end", unclear=1)
        elif ended.code < 0:
            self.blame(f"it ended by signal {-ended.code}", unclear=1)
        elif ended.code == 0:
            found = self._revisions()
            if found != (self.subject.passage.target,):
                self.blame(f"it says that it succeeded, and the database is at {found}", unclear=1)
        elif not self.subject.tool.is_clear(ended.code, ended.said):
            self.blame(f"exit code {ended.code}, without a clear error: {_end(ended.said)}", unclear=1)

    def judge_database(self) -> str:
        """It is exactly at a revision. Returns that revision, and nothing where it is not."""
        found = self._look()
        if wrong := found.wrong:
            self.blame(f"left between two revisions: {wrong[0]}", half_way=1)
            return ""
        return found.revision

    def complete(self) -> Outcome:
        """A further run, which nothing disturbs, brings it to its target with all rows. Returns the whole outcome."""
        for number in range(_RUNS):
            ended = self.subject.start(number).wait()
            if ended.code == 0:
                break
            self.blame(f"a further run failed with exit code {ended.code}: {_end(ended.said)}", reruns=1)
        found = self._look()
        if found.revision != self.subject.passage.target:
            self.blame(f"no further run brings it to its target: it is at {found.revision or '?'}", unusable=1)
        elif found.objects or (found.rows and not found.missing):
            self.blame(f"at its target it is not as it should be: {found.wrong[0]}", unusable=1)
        if found.missing:
            self.blame(f"{found.missing} rows are missing or changed: {found.wrong[0]}", rows_lost=found.missing)
        return self.outcome

    def _look(self) -> _Look:
        subject, passage = self.subject, self.subject.passage
        subject.wait_until_quiet()
        try:
            state = read_state(subject.url)
        except SQLAlchemyError as error:
            return _Look("", [f"it cannot be read: {error}".partition("\n")[0]])
        path = passage.path
        known = len(state.revisions) == 1 and state.revisions[0] in path
        revision = state.revisions[0] if known else path[0]
        expected = self._lab.reference(passage, revision)
        objects, rows, missing = expected.other_objects(state), expected.other_rows(state), 0
        if objects or rows:
            missing = expected.rows_missing_in(state)
        if objects and missing and revision != path[-1]:
            # Of a table that is renamed or filled on the way to the next revision, and nothing else, no row is lost.
            following = self._lab.reference(passage, path[path.index(revision) + 1])
            missing = min(missing, following.rows_missing_in(state))
        return _Look(revision if known else "", objects, rows, missing)

    def _revisions(self) -> tuple[str, ...]:
        try:
            return read_state(self.subject.url).revisions
        except SQLAlchemyError:
            return ()


def _end(said: str) -> str:
    """The line of an output that says most: errors of ours and Alembic's have a mark, a traceback ends with its."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("error ", "FAILED: "))]
    return (errors or lines or ["(nothing)"])[-1][:200]
