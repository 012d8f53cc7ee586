"""The tables and columns after each revision of a history, found with a scratch SQLite database."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..database.catalog import Catalog, read_catalog
from ..database.connection import moving
from ..project.project import Project
from .databases import scratch_database
from .runner import ScratchRunner


@dataclass(frozen=True)
class TableStates:
    """The tables of a history, with the names of their columns.

    Attributes:
        after: for each revision, the tables after it and all revisions before it in the order of the history.
    """

    after: dict[str, Catalog] = field(default_factory=dict)

    @property
    def made(self) -> frozenset[str]:
        """The names of all tables that exist after some revision."""
        return frozenset(name for tables in self.after.values() for name in tables)

    def fitting(self, present: Catalog) -> list[str]:
        """Return the revisions after which a database has these tables and columns.

        Tables that do not belong to the history are ignored.
        """
        ours = {name: columns for name, columns in present.items() if name in self.made}
        return [revision for revision, tables in self.after.items() if tables == ours]

    def left_over(self, present: Catalog, revision: str | None) -> list[str]:
        """Return the tables of the history that are present, but that a database at this revision does not have.

        Args:
            present: the tables of a database.
            revision: its revision; None for base.
        """
        expected: Catalog | None = self.after.get(revision) if revision else {}
        return [] if expected is None else sorted((present.keys() & self.made) - expected.keys())


def table_states(project: Project) -> TableStates:
    """Run the history on a scratch database, and return the tables after each revision.

    A revision on a branch is left out, because some earlier revisions are not below it.

    Raises:
        ScratchRunFailed: a revision fails there.
    """
    history, after = project.history, dict[str, Catalog]()
    done: set[str] = set()

    with scratch_database("sqlite") as url, moving(url) as connection:

        def note(revision: str) -> None:
            done.add(revision)
            if history.applied([revision]) == done:
                after[revision] = read_catalog(connection, exclude=project.workflow_tables)

        ScratchRunner.of(project).upgrade(connection, history.heads, note)
    return TableStates(after)
