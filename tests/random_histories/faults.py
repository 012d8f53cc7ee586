"""The faults. Each takes a revision and its first operation, and returns the revision with a fault."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import reject

from tests.random_histories.columns import AddColumn, AlterColumn, RenameColumns
from tests.random_histories.history import Step
from tests.random_histories.operation import Inverse, Operation, add
from tests.random_histories.parts import AddPart
from tests.random_histories.rows import CopyTable, MoveColumn, MoveToTable
from tests.random_histories.schema import (
    Check,
    Declared,
    ForeignKey,
    Index,
    Part,
    Pick,
    Table,
    batch,
    drop_enum,
    on_engine,
    quote,
    sql,
)

_LONG = 70  # bytes; PostgreSQL keeps 63 of a name


def _without(statements: tuple[str, ...], *gone: str) -> tuple[str, ...]:
    return tuple(each for each in statements if each not in gone)


def _instead(statements: tuple[str, ...], old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """Return the statements, with some consecutive ones replaced by others."""
    start = statements.index(old[0])
    return (*statements[:start], *new, *statements[start + len(old) :])


# ---- the way down


def down_forgets(_: Pick, step: Step, operation: Operation) -> Step:
    """The downgrade does not undo the operation."""
    return replace(step, down=_without(step.down, *operation.down()))


def leaves_enum(_: Pick, step: Step, operation: Operation) -> Step:
    """The downgrade does not drop the types."""
    types = {
        drop_enum(column) for table in operation.apply(step.before).tables for column in table.columns if column.enum
    }
    return replace(step, down=_without(step.down, *(types & {*operation.down()})))


def restores_type(_: Pick, step: Step, operation: Operation) -> Step:
    """The dropped column comes back with another type."""
    assert isinstance(operation, Inverse)
    assert isinstance(operation.of, AddColumn)
    table, column = operation.of.table.name, operation.of.column
    other = replace(column, type="sa.Integer" if column.type != "sa.Integer" else "sa.Text", default="", nullable=True)
    return replace(step, down=_instead(step.down, operation.down(), add(table, replace(other, enum=""))))


def leaves_altered(_: Pick, step: Step, operation: Operation) -> Step:
    """The downgrade makes the values fit if necessary, but does not alter the column back."""
    assert isinstance(operation, AlterColumn)
    return replace(step, down=_without(step.down, operation.down()[-1]))


def loses_on_delete(_: Pick, step: Step, operation: Operation) -> Step:
    """The foreign key comes back without its ON DELETE."""
    part = _part(operation)
    assert isinstance(part, ForeignKey)
    return _restoring(step, operation, replace(part, on_delete=""))


def restores_index(pick: Pick, step: Step, operation: Operation) -> Step:
    """The index comes back with other rows, or as a unique index."""
    part = _part(operation)
    assert isinstance(part, Index)
    others = [replace(part, unique=not part.unique), replace(part, partial=not part.partial)]
    return _restoring(step, operation, pick.one(others))


def restores_condition(_: Pick, step: Step, operation: Operation) -> Step:
    """A check comes back with another condition."""
    part = _part(operation)
    assert isinstance(part, Check)
    return _restoring(step, operation, replace(part, condition="{} IS NOT NULL"))


def misnames(_: Pick, step: Step, operation: Operation) -> Step:
    """The downgrade drops an index or a constraint by another name."""
    part, table = _part(operation), _table(operation).name
    other = replace(part, name=f"{part.name}_of_old")
    return replace(step, down=_instead(step.down, operation.down(), (other.drop(table),)))


def reverses_down(_: Pick, step: Step, operation: Operation) -> Step:
    """The downgrade drops a table before the one that refers to it."""
    down = operation.down()
    drops = [each for each in down if "drop_table" in each]
    types = [each for each in down if each not in drops]
    return replace(step, down=_instead(step.down, down, (*drops[::-1], *types)))


# ---- the way up


def forgets_default(_: Pick, step: Step, operation: Operation) -> Step:
    """A column that is NOT NULL has no default."""
    assert isinstance(operation, AddColumn)
    plain = replace(operation, column=replace(operation.column, default=""), source="")
    return replace(step, up=_instead(step.up, operation.up(), plain.up()))


def default_zero(_: Pick, step: Step, operation: Operation) -> Step:
    """A boolean has the default 0, which PostgreSQL does not accept."""
    assert isinstance(operation, AddColumn)
    wrong = replace(operation, column=replace(operation.column, default='sa.text("0")'))
    return replace(step, up=_instead(step.up, operation.up(), wrong.up()))


def turns_round(_: Pick, step: Step, operation: Operation) -> Step:
    """The foreign key has the opposite direction."""
    part, table = _part(operation), _table(operation)
    assert isinstance(part, ForeignKey)
    line = f'batch.create_foreign_key({part.name!r}, {table.name!r}, ["id"], {part.listed})'
    return replace(step, up=_instead(step.up, (part.create(table.name),), (batch(part.to, line),)))


def up_does_not_fit(_: Pick, step: Step, operation: Operation) -> Step:
    """The upgrade does not make the rows fit."""
    return replace(step, up=_without(step.up, *operation.up()[:-1]))


def down_does_not_fit(_: Pick, step: Step, operation: Operation) -> Step:
    """The downgrade does not make the rows fit."""
    return replace(step, down=_without(step.down, *operation.down()[:-1]))


def one_engine_only(pick: Pick, step: Step, operation: Operation) -> Step:
    """The operation runs on one engine only."""
    engine = pick.one(["postgresql", "sqlite"])
    up = _instead(step.up, operation.up(), (on_engine(engine, operation.up()),))
    return replace(step, up=up, down=_instead(step.down, operation.down(), (on_engine(engine, operation.down()),)))


def long_name(_: Pick, step: Step, operation: Operation) -> Step:
    """An index or a constraint has a name that is too long for PostgreSQL."""
    part, table = _part(operation), _table(operation).name
    long = replace(part, name=part.name.ljust(_LONG, "x"))
    up = _instead(step.up, (part.create(table),), (long.create(table),))
    return replace(step, up=up, down=_instead(step.down, operation.down(), (long.drop(table),)))


def rebuild_loses(pick: Pick, step: Step, _: Operation) -> Step:
    """A table is rebuilt on SQLite from a description that lacks its indexes and constraints."""
    found = [table for table in step.untouched.tables if table.parts]
    if not found:
        reject()
    table = pick.one(found)
    # Enum types are checks on SQLite, which are not about what is lost here.
    columns = ", ".join(['sa.Column("id", sa.Integer, primary_key=True)', *(each.source for each in table.columns)])
    described = f"sa.Table({table.name!r}, sa.MetaData(), {columns})"
    rebuild = f'with op.batch_alter_table({table.name!r}, recreate="always", copy_from={described}):\n    pass'
    return replace(step, up=(*step.up, on_engine("sqlite", [rebuild])))


# ---- rows


def up_deletes(pick: Pick, step: Step, _: Operation) -> Step:
    """The upgrade deletes some rows of an unrelated table."""
    return replace(step, up=(_delete(_leaf(pick, step)), *step.up))


def down_deletes(pick: Pick, step: Step, _: Operation) -> Step:
    """The downgrade deletes some rows of an unrelated table."""
    return replace(step, down=(*step.down, _delete(_leaf(pick, step))))


def _delete(table: Table) -> str:
    return sql(f"DELETE FROM {quote(table.name)} WHERE {quote(table.columns[-1].name)} IS NULL")


def _leaf(pick: Pick, step: Step) -> Table:
    """Return a table that the revision does not touch, to which no table refers, and whose last column has NULLs."""
    found = [
        table
        for table in step.untouched.tables
        if not [*step.before.referring(table), *step.after.referring(table)] and table.columns[-1].nullable
    ]
    return pick.one(found) if found else reject()


def up_overwrites(pick: Pick, step: Step, _: Operation) -> Step:
    """The upgrade overwrites values of an unrelated table."""
    return replace(step, up=(_overwrite(pick, step), *step.up))


def down_overwrites(pick: Pick, step: Step, _: Operation) -> Step:
    """The downgrade overwrites values of an unrelated table."""
    return replace(step, down=(*step.down, _overwrite(pick, step)))


def up_adds_rows(pick: Pick, step: Step, _: Operation) -> Step:
    """The upgrade writes rows into an unrelated table, and the downgrade leaves them there."""
    # Columns that an index or a constraint is about stay empty, so that nothing is repeated.
    found = [
        table
        for table in step.untouched.tables
        if table.free and all(each.nullable and not each.default for each in table.columns if table.about(each))
    ]
    table = pick.one(found) if found else reject()
    columns = ", ".join(quote(each.name) for each in table.columns if not each.nullable or each == table.free[0])
    return replace(
        step,
        up=(*step.up, sql(f"INSERT INTO {quote(table.name)} ({columns}) SELECT {columns} FROM {quote(table.name)}")),
    )


def _overwrite(pick: Pick, step: Step) -> str:
    found = [(table, column) for table in step.untouched.tables for column in table.free if column.filler]
    table, column = pick.one(found) if found else reject()
    return sql(f"UPDATE {quote(table.name)} SET {quote(column.name)} = {column.filler}")


def exchanges(_: Pick, step: Step, operation: Operation) -> Step:
    """Each of two columns comes back with the name of the other one."""
    assert isinstance(operation, RenameColumns)
    (first, one), (second, other) = operation.names
    crossed = replace(operation, names=((first, other), (second, one)))
    return replace(step, down=_instead(step.down, operation.down(), crossed.down()))


def moves_some(_: Pick, step: Step, operation: Operation) -> Step:
    """One row with a value does not get into the new table."""
    assert isinstance(operation, MoveToTable)
    full = f"{quote(operation.column.name)} IS NOT NULL"
    without = f"{full} AND id <> (SELECT max(id) FROM {quote(operation.table.name)} WHERE {full})"
    return replace(step, up=tuple(each.replace(full, without) for each in step.up))


def moves_nothing(_: Pick, step: Step, operation: Operation) -> Step:
    """The new column stays empty."""
    assert isinstance(operation, MoveColumn)
    return replace(step, up=_without(step.up, operation.up()[1]))


def forgets_numbering(_: Pick, step: Step, operation: Operation) -> Step:
    """The sequence of PostgreSQL does not get the next number."""
    assert isinstance(operation, CopyTable)
    return replace(step, up=_without(step.up, operation.numbering()))


# ---- declarations


def up_declares_nothing(_: Pick, step: Step, operation: Operation) -> Step:
    """The loss of the operation in the upgrade is not declared."""
    kept = {item: why for item, why in step.declared.upgrade.items() if item not in operation.declared.upgrade}
    return replace(step, declared=replace(step.declared, upgrade=kept))


def down_declares_nothing(_: Pick, step: Step, operation: Operation) -> Step:
    """The loss of the operation in the downgrade is not declared."""
    kept = {item: why for item, why in step.declared.downgrade.items() if item not in operation.declared.downgrade}
    return replace(step, declared=replace(step.declared, downgrade=kept))


def declares_nothing(pick: Pick, step: Step, operation: Operation) -> Step:
    """The loss of the operation is not declared."""
    return down_declares_nothing(pick, up_declares_nothing(pick, step, operation), operation)


def declares_misspelt(pick: Pick, step: Step, _: Operation) -> Step:
    """The declared loss names a column that does not exist."""
    table = pick.one(step.before.tables).name
    return _declaring(pick, step, f"{table}.nowhere")


def declares_untouched(pick: Pick, step: Step, _: Operation) -> Step:
    """The declared loss names a column that keeps all its values."""
    found = [(table, column) for table in step.untouched.tables for column in table.free]
    table, column = pick.one(found) if found else reject()
    return _declaring(pick, step, f"{table.name}.{column.name}")


def _declaring(pick: Pick, step: Step, item: str) -> Step:
    more = {item: "said by mistake"}
    return replace(step, declared=step.declared | pick.one([Declared(upgrade=more), Declared(downgrade=more)]))


# ---- the graph


def follows_another(_: Pick, step: Step, __: Operation) -> Step:
    """The revision follows the revision before its real predecessor."""
    return replace(step, follows=2)


def _part(operation: Operation) -> Part:
    """Return the index or constraint that an operation makes or drops."""
    added = operation.of if isinstance(operation, Inverse) else operation
    assert isinstance(added, AddPart)
    return added.part


def _restoring(step: Step, operation: Operation, part: Part) -> Step:
    """The downgrade restores something other than what was dropped."""
    table = _table(operation).name
    return replace(step, down=_instead(step.down, (_part(operation).create(table),), (part.create(table),)))


def _table(operation: Operation) -> Table:
    added = operation.of if isinstance(operation, Inverse) else operation
    assert isinstance(added, AddPart)
    return added.table
