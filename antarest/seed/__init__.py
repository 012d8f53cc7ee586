"""Believable data for a development database: `inv db.seed` calls `seed`, since `alembic.ini` names it.

The same number of studies always gives the same rows. Nobody can sign in with an account from here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from faker import Faker
from sqlalchemy.orm import Session

import antarest.dbmodel  # noqa: F401  # every model, so that each relationship finds its other end
from antarest.seed.accounts import add_accounts
from antarest.seed.matrices import add_matrices
from antarest.seed.server import add_server
from antarest.seed.simulations import add_jobs, add_tasks
from antarest.seed.studies import add_tags, draw_studies
from antarest.seed.world import LOCALES, World

_SEED = 2030
_AT_ONCE = 500  # studies that are made and inserted together: what is held in memory does not grow with their number


def seed(session: Session, studies: int) -> Iterator[tuple[str, int]]:
    """Fill the tables of the models.

    Args:
        session: where the rows go; its caller commits.
        studies: how many studies, variants included; everything else follows from their number.

    Yields:
        A table and how many rows it got, each time that it got some.
    """
    faker = Faker(LOCALES)
    faker.seed_instance(_SEED)
    world = World(session, random.Random(_SEED), faker)  # noqa: S311 - the same rows each time are wanted
    yield from add_accounts(world, people=min(5 + studies // 20, 400))
    yield from add_matrices(world, datasets=min(3 + studies // 25, 300))
    yield from add_tags(world)
    yield from add_server(world)
    for begin in range(0, studies, _AT_ONCE):
        drawn = draw_studies(world, min(_AT_ONCE, studies - begin))
        yield from drawn.add()
        yield from add_jobs(world, drawn.rows)
        yield from add_tasks(world, drawn.rows)
