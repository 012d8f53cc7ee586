"""Random histories, and functions that write them as an Alembic project."""

from __future__ import annotations

import string
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from tests.random_histories import columns, parts, rows, tables
from tests.random_histories.operation import Draw, Operation
from tests.random_histories.schema import Declared, Pick, Schema

_INI = """\
[alembic]
script_location = %(here)s
path_separator = os
"""
_FILE = '''\
"""{message}"""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
lossy = {lossy!r}
moves = {moves!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''
OPERATIONS: tuple[Draw, ...] = (
    tables.create_table,
    tables.drop_table,
    tables.rename_table,
    columns.add_column,
    columns.add_required_column,
    columns.add_enum_column,
    columns.drop_column,
    columns.rename_column,
    columns.rename_two_columns,
    columns.alter_type,
    columns.alter_nullable,
    columns.alter_default,
    parts.create_index,
    parts.create_unique,
    parts.create_check,
    parts.create_foreign_key,
    parts.drop_part,
    rows.swap_columns,
    rows.flip_boolean,
    rows.overwrite,
    rows.move_column,
    rows.move_to_table,
    rows.copy_table,
)


@dataclass(frozen=True)
class Step:
    """A revision.

    Attributes:
        operations: the operations of the revision.
        before: the schema before the revision.
        up: the statements of the upgrade.
        down: the statements of the downgrade.
        declared: the declared losses and moves.
        follows: the distance to the revision that it follows.
    """

    operations: tuple[Operation, ...]
    before: Schema
    up: tuple[str, ...]
    down: tuple[str, ...]
    declared: Declared
    follows: int = 1

    @classmethod
    def of(cls, operations: Sequence[Operation], before: Schema) -> Step:
        """Return a revision with these operations. Its downgrade undoes them in the opposite order."""
        declared = Declared()
        for each in operations:
            declared |= each.declared
        up = tuple(line for each in operations for line in each.up())
        down = tuple(line for each in reversed(operations) for line in each.down())
        return cls(tuple(operations), before, up, down, declared)

    @property
    def after(self) -> Schema:
        """The schema after the revision."""
        schema = self.before
        for each in self.operations:
            schema = each.apply(schema)
        return schema

    @property
    def untouched(self) -> Schema:
        """The tables that the revision does not change."""
        touched = {name for each in self.operations for name in each.tables}
        return Schema(tuple(each for each in self.before.tables if each.name not in touched))


History = tuple[Step, ...]


def id_of(number: int) -> str:
    """Return the id of the revision at this position."""
    return f"{string.ascii_lowercase[number]}00000000000"


def write(history: History, folder: Path) -> Path:
    """Write a history as an Alembic project, and return its `alembic.ini`."""
    versions = folder / "versions"
    versions.mkdir(parents=True)
    for number, step in enumerate(history):
        (versions / f"{id_of(number)}_random.py").write_text(_source(number, step), encoding="utf-8")
    ini = folder / "alembic.ini"
    ini.write_text(_INI, encoding="utf-8")
    return ini


def source(history: History) -> str:
    """Return the text of all files of a history, for people."""
    return "\n".join(_source(number, step) for number, step in enumerate(history))


def _source(number: int, step: Step) -> str:
    lossy: Mapping[str, Mapping[str, str]] = {"upgrade": step.declared.upgrade, "downgrade": step.declared.downgrade}
    return _FILE.format(
        message=", ".join(type(each).__name__ for each in step.operations),
        revision=id_of(number),
        down=id_of(number - step.follows) if number else None,
        lossy={direction: items for direction, items in lossy.items() if items},
        moves=step.declared.moves,
        upgrade=textwrap.indent("\n".join(step.up or ("pass",)), "    "),
        downgrade=textwrap.indent("\n".join(step.down or ("pass",)), "    "),
    )


def first_step(pick: Pick) -> Step:
    """Return the first revision: two tables with every kind of object."""
    return Step.of([tables.create_all_kinds(pick, Schema())], Schema())


def a_step(pick: Pick, before: Schema, first: Operation | None = None) -> Step:
    """Draw a revision with one or two operations. The second does not change what the first has changed."""
    first = first or _any(pick, before, frozenset())
    operations = [first]
    if pick.maybe():
        operations.append(_any(pick, first.apply(before), first.tables))
    return Step.of(operations, before)


def _any(pick: Pick, schema: Schema, touched: Collection[str]) -> Operation:
    """Draw an operation that is possible: the drawn one, or otherwise the next possible one in the list."""
    start = pick.one(range(len(OPERATIONS)))
    for draw in (*OPERATIONS[start:], *OPERATIONS[:start]):
        found = draw(pick, schema)
        if found and found.tables.isdisjoint(touched):
            return found
    raise AssertionError("a table can always be created")


@st.composite
def histories(draw: st.DrawFn, most: int = 6) -> History:
    """Draw a history of at least two revisions, each of which can be undone, and declares its losses."""
    pick = Pick(draw)
    history = [first_step(pick)]
    for _ in range(pick.number(1, most - 1)):
        history.append(a_step(pick, history[-1].after))
    return tuple(history)
