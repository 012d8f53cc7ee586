"""The revisions of a release, as SQL that was tried on a scratch server. The release notes are in `notes`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import URL, NullPool, create_engine

from ..database.connection import moving
from ..errors.facts.branches import SqlDiffers
from ..errors.facts.project import OutOfReach
from ..errors.revision import BASE, Revision
from ..errors.text import reason
from ..project.project import Project
from ..schema.compare import differences
from ..schema.inventory import Inventory
from ..schema.reflection import reflect
from ..scratch.databases import postgres_server, scratch_database
from ..scratch.runner import ScratchRunner
from .sql_scripts import downgrade_sql, upgrade_sql

UPGRADE = "upgrade.sql"
ROLLBACK = "rollback.sql"


@dataclass(frozen=True)
class RevisionRange:
    """The revisions between two states.

    Attributes:
        start: the revision before the first of `revisions`; `base` if there is none.
        end: the last revision.
        revisions: the revisions that an upgrade applies, in order.
    """

    start: str
    end: str
    revisions: tuple[Revision, ...]


def revision_range(project: Project, start: str, end: str) -> RevisionRange:
    """Return the revisions between two references, such as tags.

    Raises:
        OutOfReach: the second reference is not above the first.
        MigrationError: a reference names no revision.
    """
    first, last, history = project.resolve(start), project.resolve(end), project.history
    below = () if first == BASE else (first,)
    if last == BASE or not set(below) <= history.applied([last]):
        raise OutOfReach(f"{end} does not lie above {start}: an upgrade of {first} does not reach {last}", first)
    return RevisionRange(first, last, tuple(history[id_] for id_ in history.pending(below, last)))


def write_sql(project: Project, between: RevisionRange) -> dict[str, list[str]]:
    """Return the statements of two files, for the upgrade and the rollback. The key is the name of the file.

    Raises:
        Irreversible: a revision cannot be undone.
        NotAsSql: a revision reads from the database.
    """
    return {
        UPGRADE: upgrade_sql(project, between.start, between.end),
        ROLLBACK: downgrade_sql(project, between.end, between.start),
    }


def prove_sql(project: Project, between: RevisionRange, scripts: Mapping[str, Sequence[str]]) -> str:
    """Run SQL scripts on a scratch server, and compare the resulting schemas with those of the revisions.

    Args:
        project: the Alembic project.
        between: the revisions of the scripts.
        scripts: the result of `write_sql`.

    Returns:
        The name and the version of the server, such as `PostgreSQL 15.18`.

    Raises:
        NoPostgres: no PostgreSQL is available.
        SqlDiffers: a script and the revisions create different schemas.
    """
    with postgres_server() as server, scratch_database("postgresql", server) as url:
        before = _reflect(project, url, between.start)
        _execute(url, scripts[UPGRADE], UPGRADE)
        upgraded = _reflect(project, url)
        _execute(url, scripts[ROLLBACK], ROLLBACK)
        rolled_back = _reflect(project, url)
        with scratch_database("postgresql", server) as other:
            expected = _reflect(project, other, between.end)
        for name, found, wanted in ((UPGRADE, upgraded, expected), (ROLLBACK, rolled_back, before)):
            if different := differences(wanted, found):
                raise SqlDiffers(name, different[0].render("the revisions", name))
        return f"PostgreSQL {server.version}"


def _reflect(project: Project, url: URL, revision: str = BASE) -> Inventory:
    """Return the schema of a database. If a revision is given, upgrade the database to this revision first."""
    with moving(url) as connection:
        if revision != BASE:
            ScratchRunner.of(project).upgrade(connection, [revision])
        return reflect(connection, exclude=project.workflow_tables)


def _execute(url: URL, statements: Sequence[str], name: str) -> None:
    """Run statements one by one, as `psql` does with a file."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                if re.sub(r"^--.*$", "", statement, flags=re.MULTILINE).strip():
                    connection.connection.cursor().execute(statement)
    except Exception as error:
        raise SqlDiffers(name, reason(error)) from error
