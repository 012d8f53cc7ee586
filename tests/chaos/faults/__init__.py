"""The faults that disturb a migration: one function for each fault, which yields its trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from antarest.migration.scratch.databases import EngineName
from tests.chaos.faults import crowds, kills, servers, storage, writer
from tests.chaos.lab import Lab
from tests.chaos.trial import Outcome


class Trials(Protocol):
    """Yields the trials of a fault; `trials` is the largest number of them."""

    def __call__(self, lab: Lab, trials: int | None, random: Random, /) -> Iterator[Callable[[], Outcome]]:
        """Yield the trials."""


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: the name of the fault.
        trials: yields the trials of the fault.
        engines: the engines to which the fault can happen.
        at_once: how many trials a processor runs at once. It can run several trials if they wait for most of the time.
    """

    name: str
    trials: Trials
    engines: tuple[EngineName, ...] = ("sqlite", "postgresql")
    at_once: int = 1


FAULTS = (
    Fault("kill-statement", kills.before_each_statement),
    Fault("kill-random", kills.at_random_moments),
    Fault("starters-2", crowds.two),
    Fault("starters-8", crowds.eight),
    Fault("starters-20", crowds.twenty),
    Fault("threads-4", crowds.threads),
    Fault("writer", writer.writers, at_once=4),
    Fault("server-stopped", servers.stopped, ("postgresql",)),
    Fault("server-replaced", servers.replaced, ("postgresql",)),
    Fault("connection-cut", servers.cut, ("postgresql",)),
    Fault("disk-full", storage.full_disk),
    Fault("read-only", storage.read_only),
    Fault("locked-out", storage.locked_out),
    Fault("locked-briefly", storage.locked_briefly),
)
