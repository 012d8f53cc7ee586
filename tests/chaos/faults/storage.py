"""Faults of the file or the database: it has no space, it cannot be written, or somebody else holds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

from sqlalchemy import Connection, NullPool, create_engine, text

from tests.chaos.faults import servers
from tests.chaos.histories.known import OWN, Passage
from tests.chaos.lab import Lab, Subject
from tests.chaos.trial import Outcome, Trial

_NOBODY = 65534
_IMPATIENT = {"busy_timeout": 1, "migration_lock_timeout": 1, "lock_timeout": 1, "lock_retries": 1}
_GIVES_UP = 30  # seconds after which a command that waits for a lock counts as one that does not end
_BRIEFLY = 1.0  # seconds


def full_disk(lab: Lab, trials: int | None, random: Random) -> Iterator[Callable[[], Outcome]]:
    """No file can grow beyond a limit: RLIMIT_FSIZE, for the command or for the server."""
    if lab.engine == "postgresql":
        yield from servers.full(lab, trials, random)
        return
    for number in range(trials or 20):
        passage = lab.passages[number % len(lab.passages)]
        yield partial(_full, lab, passage, Random(random.random()))


def read_only(lab: Lab, trials: int | None, _random: Random) -> Iterator[Callable[[], Outcome]]:
    """The user who runs the command cannot write the file, its folder, or both; or the database refuses writes."""
    ways = [(0o555, 0o444), (0o555, 0o666), (0o777, 0o444)] if lab.engine == "sqlite" else [None]
    every = [(passage, way) for passage in lab.passages for way in ways]
    yield from (partial(_read_only, lab, *one) for one in every[:trials])


def locked_out(lab: Lab, trials: int | None, _random: Random) -> Iterator[Callable[[], Outcome]]:
    """Another session holds the database, or a table, for longer than a command waits."""
    yield from (partial(_locked_out, lab, *one) for one in _holders(lab)[:trials])


def locked_briefly(lab: Lab, trials: int | None, _random: Random) -> Iterator[Callable[[], Outcome]]:
    """Another session holds the database, or a table, for a second: a command that waits for it succeeds."""
    yield from (partial(_locked_briefly, lab, *one) for one in _holders(lab)[:trials])


def _full(lab: Lab, passage: Passage, random: Random) -> Outcome:
    with lab.subject(passage) as subject:
        trial = Trial(lab, subject)
        size = Path(str(subject.url.database)).stat().st_size
        limit = int(size * random.uniform(0.5, 1.2))
        trial.fault = f"with files of at most {limit} bytes"
        ended = subject.start(random.randrange(3), largest_file=limit).wait()
        trial.judge_words(ended)
        if ended.code != 0:
            trial.count()
            trial.judge_database()
        return trial.complete()


def _read_only(lab: Lab, passage: Passage, way: tuple[int, int] | None) -> Outcome:
    with lab.subject(passage) as subject:
        trial = Trial(lab, subject)
        trial.fault = f"read-only ({'the session' if way is None else 'folder {:o}, file {:o}'.format(*way)})"
        with _writing_denied(subject, way):
            ended = subject.start(2 * (way is None), user=_NOBODY if way else None).wait()
        trial.count()
        trial.judge_words(ended)
        trial.judge_database()
        return trial.complete()


@contextmanager
def _writing_denied(subject: Subject, way: tuple[int, int] | None) -> Iterator[None]:
    name = str(subject.url.database)
    if way is None:
        setting = f"ALTER DATABASE {name} SET default_transaction_read_only ="
        _execute(subject, f"{setting} on")
        yield
        _execute(subject, f"{setting} off")
        return
    file = Path(name)
    folder_mode, file_mode = way
    file.chmod(file_mode)
    file.parent.chmod(folder_mode)
    yield
    file.parent.chmod(0o700)
    file.chmod(0o600)


def _execute(subject: Subject, statement: str) -> None:
    server = create_engine(subject.url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.execute(text(statement))


def _holders(lab: Lab) -> list[tuple[Passage, tuple[str, ...]]]:
    def table(passage: Passage) -> str:
        return "study" if passage.history is OWN else "reading"

    ways: dict[str, list[tuple[str, ...]]] = {
        "sqlite": [("BEGIN IMMEDIATE",), ("BEGIN EXCLUSIVE",), ("BEGIN", "SELECT count(*) FROM {}")],
        "postgresql": [("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",), ("SELECT count(*) FROM {}",)],
    }
    return [
        (passage, tuple(statement.format(table(passage)) for statement in way))
        for passage in lab.passages
        for way in ways[lab.engine]
    ]


@contextmanager
def _held(subject: Subject, statements: tuple[str, ...]) -> Iterator[Connection]:
    """Open a session that keeps a transaction open in which these statements were run."""
    with create_engine(subject.url, poolclass=NullPool).connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        yield connection


def _locked_out(lab: Lab, passage: Passage, statements: tuple[str, ...]) -> Outcome:
    with lab.subject(passage, **_IMPATIENT) as subject:
        trial = Trial(lab, subject)
        trial.fault = f"while somebody holds {statements[-1]!r}"
        with _held(subject, statements):
            ended = subject.start().wait(_GIVES_UP)
        trial.count()
        trial.judge_words(ended)
        trial.judge_database()
        return trial.complete()


def _locked_briefly(lab: Lab, passage: Passage, statements: tuple[str, ...]) -> Outcome:
    with lab.subject(passage) as subject:
        trial = Trial(lab, subject)
        trial.fault = f"while somebody holds {statements[-1]!r} for {_BRIEFLY:g} s"
        with _held(subject, statements):
            running = subject.start()
            time.sleep(_BRIEFLY)
        ended = running.wait()
        trial.count()
        trial.judge_words(ended)
        if ended.code != 0:
            trial.blame(f"it failed with exit code {ended.code}", reruns=1)
        return trial.complete()
