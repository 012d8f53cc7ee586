"""The judgement of a disturbed migration, and the counts of all judgements."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from sqlalchemy.exc import SQLAlchemyError

from tests.chaos.lab import Lab, Subject
from tests.chaos.processes import Ended
from tests.chaos.states import read_state

_RUNS = 2  # after the disturbed run: one must be enough, and a second one shows whether the database is unusable


@dataclass(frozen=True)
class Outcome:
    """The counts of some trials. All but the first number should be zero.

    Attributes:
        trials: the number of trials.
        half_way: databases that afterwards did not have exactly the schema and the rows of a revision.
        unusable: databases that no further run brought to the target.
        rows_lost: rows that were missing or had other values at the end.
        reruns: runs that failed although nothing disturbed them any more, so that somebody has to start them again.
        unclear: runs that failed without a clear error, did not end, or reported something that had not happened.
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
        """Add the counts of two outcomes."""
        return Outcome(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def faults(self) -> dict[str, int]:
        """The numbers that should be zero."""
        return {name: getattr(self, name) for name in ("half_way", "unusable", "rows_lost", "reruns", "unclear")}

    @property
    def is_clean(self) -> bool:
        """Whether all of these numbers are zero."""
        return not any(self.faults.values())


@dataclass(frozen=True)
class _Look:
    """Describes the damage: the recorded revision, the wrong objects and rows, and the number of missing rows."""

    revision: str
    objects: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    missing: int = 0

    @property
    def wrong(self) -> list[str]:
        """Everything that is wrong."""
        return [*([] if self.revision else ["it records no revision of its history"]), *self.objects, *self.rows]


class Trial:
    """One database, and the faults that strike it.

    Attributes:
        subject: the database, and its commands.
        outcome: the counts so far.
        fault: the fault that strikes the database now, for the notes.
    """

    def __init__(self, lab: Lab, subject: Subject) -> None:
        """Begin with a database at the start of its passage."""
        self.subject = subject
        self.outcome = Outcome()
        self.fault = "undisturbed"
        self._lab = lab

    def count(self) -> None:
        """Count a fault that has struck."""
        self.outcome += Outcome(trials=1)

    def seconds(self, number: int) -> float:
        """The seconds that the command takes when nothing disturbs it."""
        return self._lab.undisturbed(self.subject.passage, number).seconds

    def blame(self, note: str, **counts: int) -> None:
        """Count damage."""
        self.outcome += Outcome(**counts, notes=(f"{self.subject.passage.name}, {self.fault}: {note}",))

    def judge_words(self, ended: Ended) -> None:
        """Judge the output of a run that ended by itself: the run succeeded and says so, or it has a clear error."""
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
        """Judge whether the database is exactly at a revision. Return this revision, or "" if it is not at one."""
        found = self._look()
        if wrong := found.wrong:
            self.blame(f"left between two revisions: {wrong[0]}", half_way=1)
            return ""
        return found.revision

    def complete(self) -> Outcome:
        """Run the command again without a fault: it must reach the target with all rows. Return the whole outcome."""
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
            # A table that is only renamed or filled on the way to the next revision has lost no row.
            following = self._lab.reference(passage, path[path.index(revision) + 1])
            missing = min(missing, following.rows_missing_in(state))
        return _Look(revision if known else "", objects, rows, missing)

    def _revisions(self) -> tuple[str, ...]:
        try:
            return read_state(self.subject.url).revisions
        except SQLAlchemyError:
            return ()


def _end(said: str) -> str:
    """Return the line of an output that explains the end: an error of ours or of Alembic, or the end of a traceback."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("error ", "FAILED: "))]
    return (errors or lines or ["(nothing)"])[-1][:200]
