"""Faults of a server, or of a connection to it, in the middle of a migration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random

from sqlalchemy import NullPool, create_engine, text

from tests.chaos.histories.known import HEAVY, Passage
from tests.chaos.lab import Lab, Subject
from tests.chaos.servers import Home, Pair, Server
from tests.chaos.trial import Outcome, Trial

_ATTEMPTS = 5  # for each trial, to strike while the command runs

Strike = Callable[[Subject, Random], bool]  # returns whether the fault has struck
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name ORDER BY random()"


def cut(lab: Lab, trials: int | None, random: Random) -> Iterator[Callable[[], Outcome]]:
    """`pg_terminate_backend` ends all connections, or one of them."""
    yield from (partial(_struck, lab, passage, own, _cut) for passage, own in _each(lab.passages, trials or 40, random))


def stopped(lab: Lab, trials: int | None, random: Random) -> Iterator[Callable[[], Outcome]]:
    """`pg_ctl stop -m immediate` stops the server, which then starts again."""

    def all_trials(passages: Sequence[Passage], random: Random) -> Outcome:
        with Home.open() as home:
            server = Server.create(home)
            server.start()

            def strike(_subject: Subject, _random: Random) -> bool:
                server.stop()
                return True

            with lab.on(server.scratch) as own:
                each = _each(passages, (trials or 20) // 2, random)
                return sum((_struck(own, *one, strike, server.start) for one in each), Outcome())

    for half in (lab.passages[::2], lab.passages[1::2]):
        yield partial(all_trials, half, Random(random.random()))


def replaced(lab: Lab, trials: int | None, random: Random) -> Iterator[Callable[[], Outcome]]:
    """The primary is killed, and its standby is promoted. Each commit waits for both, and the URL names both."""

    def all_trials() -> Outcome:
        with Home.open() as home:
            pair = Pair.create(home)

            def strike(_subject: Subject, _random: Random) -> bool:
                pair.fail_over()
                return True

            with lab.on(pair.scratch) as own:
                return sum((_struck(own, *one, strike) for one in _each(own.passages, trials or 12, random)), Outcome())

    yield all_trials


def full(lab: Lab, trials: int | None, random: Random) -> Iterator[Callable[[], Outcome]]:
    """The disk of the server is full: no file can grow beyond a limit."""

    def all_trials() -> Outcome:
        outcome = Outcome()
        with Home.open() as home:
            server = Server.create(home)
            server.start()
            with lab.on(server.scratch) as own:
                passages = [passage for passage in own.passages if passage.history is HEAVY]
                for number in range(trials or 10):
                    outcome += _starved(own, passages[number % len(passages)], server, random)
        return outcome

    yield all_trials


def _each(passages: Sequence[Passage], trials: int, random: Random) -> Iterator[tuple[Passage, Random]]:
    for number in range(trials):
        yield passages[number % len(passages)], Random(random.random())


def _struck(
    lab: Lab, passage: Passage, random: Random, strike: Strike, mend: Callable[[], None] | None = None
) -> Outcome:
    """Let a fault strike a command at a random moment while it runs."""
    outcome, number = Outcome(), random.randrange(3)
    for _ in range(_ATTEMPTS):
        with lab.subject(passage) as subject:
            trial = Trial(lab, subject)
            seconds = random.random() * trial.seconds(number)
            trial.fault = f"struck after {seconds:.2f} s"
            running = subject.start(number)
            time.sleep(seconds)
            is_struck = strike(subject, random)
            ended = running.wait()
            if mend:
                mend()
            trial.judge_words(ended)
            if is_struck and ended.code != 0:
                trial.count()
                trial.judge_database()
            outcome += trial.complete()
        if outcome.trials:
            break
    return outcome


def _cut(subject: Subject, random: Random) -> bool:
    limit = random.choice(["", " LIMIT 1"])
    with create_engine(subject.url.set(database="postgres"), poolclass=NullPool).connect() as connection:
        return bool(connection.execute(text(_CUT + limit), {"name": subject.url.database}).all())


def _starved(lab: Lab, passage: Passage, server: Server, random: Random) -> Outcome:
    with lab.subject(passage) as subject:
        trial = Trial(lab, subject)
        number = random.randrange(3)
        size = int(_largest(subject) * random.uniform(1.0, 1.2))
        trial.fault = f"with files of at most {size} bytes"
        server.stop("fast")
        server.start(largest_file=size)
        ended = subject.start(number).wait()
        server.stop("fast")
        server.start()
        trial.judge_words(ended)
        if ended.code != 0:
            trial.count()
            trial.judge_database()
        return trial.complete()


def _largest(subject: Subject) -> int:
    with create_engine(subject.url, poolclass=NullPool).connect() as connection:
        found = connection.execute(text("SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"))
        return int(found.scalar() or 0)
