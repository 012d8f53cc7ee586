"""Fills an empty development database with rows from a function of the project, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import NullPool
from sqlalchemy.orm import Session

from ..database.catalog import count_rows
from ..database.driver_errors import translate_errors
from ..database.engines import create_db_engine
from ..database.waits import ReadWatch
from ..errors.facts.refusal import AlreadyFilled, NotAtHead
from ..errors.settings.urls import redact_url
from ..errors.text import position
from ..workflow.workflow import MigrationWorkflow

Seed = Callable[[Session, int], Iterator[tuple[str, int]]]
"""The function in `[antarest] seed`. It adds rows for a number of studies, and yields each table with its row count."""


def seed(workflow: MigrationWorkflow, studies: int, *, allow_production: bool = False) -> Iterator[tuple[str, int]]:
    """Fill the tables of the models as the application's role. Either all rows are committed, or none.

    Args:
        workflow: the project, and the database to fill.
        studies: the number of studies. The numbers of all other rows depend on this number.
        allow_production: whether to fill even a database on another host, or a database whose configuration says
            production.

    Yields:
        The name of a table and the number of its new rows, each time that rows were inserted.

    Raises:
        ResetRefused: the configuration says production, or the server is not on this host.
        NotAtHead, AlreadyFilled: the database is not at head, or it already has rows.
        InvalidProject, PackageMissing: the project names no function that seeds, or this function cannot be imported.
        DatabaseError: the database cannot be reached, or cannot be written.
    """
    if not allow_production:
        workflow.refuse_production("seed")
    project, url = workflow.project, workflow.db.url
    fill: Seed = project.named("seed", project.seed_name)
    tables = project.metadata().tables
    current, head = workflow.current(), project.history.head
    if current != (head,):
        raise NotAtHead("seed", position(current), head, workflow.database)
    engine = create_db_engine(workflow.db, application_name="antarest-seed", poolclass=NullPool)
    watch = ReadWatch(engine, workflow.db, workflow.tell)
    try:
        with translate_errors(url), watch.watching(), Session(engine) as session, session.begin():
            rows = count_rows(session.connection(), list(tables))
            if total := sum(rows.values()):
                raise AlreadyFilled(total, sum(number > 0 for number in rows.values()), redact_url(url))
            yield from fill(session, studies)
    finally:
        engine.dispose()
