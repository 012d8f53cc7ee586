"""The state that all parts of the seed share: the random source, and the rows to which other rows refer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from faker import Faker
from sqlalchemy import insert, inspect
from sqlalchemy.orm import Session

from antarest.core.persistence import Base

LOCALES = ["en_GB", "fr_FR", "de_DE", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_PT"]
BEGIN = datetime(2022, 3, 1, 8)  # noqa: DTZ001 - times are naive UTC in the database
END = datetime(2026, 6, 30, 18)  # noqa: DTZ001

Row = dict[str, Any]


@dataclass
class World:
    """The session of a seed, its random source, and the rows to which other rows can refer.

    Attributes:
        session: the session to insert with.
        random: the random source.
        faker: the source of names.
        people: the identities that own other rows, with their names.
        groups: the ids of the groups.
        tags: the labels of the tags.
    """

    session: Session
    random: random.Random
    faker: Faker
    people: list[tuple[int, str]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    def add(self, model: type[Base], rows: Sequence[Row]) -> Iterator[tuple[str, int]]:
        """Insert rows of a model, all with the same keys. The tables from which the model inherits are filled too."""
        if rows:
            self.session.execute(insert(model), rows)
            yield from ((str(table.name), len(rows)) for table in inspect(model).tables)

    def add_objects(self, objects: Sequence[Base]) -> Iterator[tuple[str, int]]:
        """Insert objects that get their identifiers from the database."""
        self.session.add_all(objects)
        self.session.flush()
        tables = Counter(str(table.name) for each in objects for table in inspect(type(each)).tables)
        yield from tables.items()

    def id(self) -> str:
        """Return a new random identifier."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def chance(self, probability: float) -> bool:
        """Return True with this probability: for example, 0.25 gives True one time in four."""
        return self.random.random() < probability

    def owner(self) -> tuple[int, str]:
        """Return the id and the name of a random owner. A few owners are drawn often."""
        index = int(len(self.people) * self.random.random() ** 2)
        return self.people[index]

    def moment(self, begin: datetime = BEGIN, end: datetime = END) -> datetime:
        """Return a random time between two times, in whole seconds."""
        seconds = max(0, int((end - begin).total_seconds()))
        return begin + timedelta(seconds=self.random.randint(0, seconds))

    def some(self, choices: Sequence[str], most: int) -> list[str]:
        """Return a random number of different choices: often none or one, and never more than `most`."""
        number = min(int(self.random.triangular(0, most + 1, 0.6)), most, len(choices))
        return self.random.sample(choices, number)
