"""Realistic data for a development database. `inv db.seed` calls `seed`, which `alembic.ini` names.

The same number of studies always gives the same rows. The accounts have no password, so nobody can sign in with them.
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
_AT_ONCE = 500  # studies that are inserted together, so that the use of memory does not grow with the number of studies


def seed(session: Session, studies: int) -> Iterator[tuple[str, int]]:
    """Fill the tables of the models.

    Args:
        session: the session to insert with. The caller commits.
        studies: the number of studies, including variants. The numbers of all other rows depend on this number.

    Yields:
        The name of a table, and the number of rows that were inserted into it. A table can occur several times.
    """
    faker = Faker(LOCALES)
    faker.seed_instance(_SEED)
    world = World(session, random.Random(_SEED), faker)  # noqa: S311 - each call must give the same rows
    yield from add_accounts(world, people=min(5 + studies // 20, 400))
    yield from add_matrices(world, datasets=min(3 + studies // 25, 300))
    yield from add_tags(world)
    yield from add_server(world)
    for begin in range(0, studies, _AT_ONCE):
        drawn = draw_studies(world, min(_AT_ONCE, studies - begin))
        yield from drawn.add()
        yield from add_jobs(world, drawn.rows)
        yield from add_tasks(world, drawn.rows)
