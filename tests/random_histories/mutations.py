"""The faults that are put into a history: each makes one revision wrong, and names the expected finding.

A kind of fault names the operation that the revision must have. For example, a downgrade can forget an index only if
there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from hypothesis import reject
from hypothesis import strategies as st

from antarest.migration.scratch.databases import EngineName
from antarest.migration.verify.findings.kinds import KINDS, Severity
from tests.random_histories import columns, faults, parts, rows, tables
from tests.random_histories.history import History, Step, a_step, first_step
from tests.random_histories.operation import Draw, Operation
from tests.random_histories.schema import Check, ForeignKey, Index, Pick, Unique
from tests.support.projects.verify import BOTH

Fault = Callable[[Pick, Step, Operation], Step]
_POSTGRESQL: tuple[EngineName, ...] = ("postgresql",)


@dataclass(frozen=True)
class Mutation:
    """A kind of fault.

    Attributes:
        name: a short description of the fault.
        ids: the ids of findings. The proof must report one of them.
        fault: the function that makes a revision wrong.
        draws: the operations of which the revision must have one; empty if any operation will do.
        engines: the engines on which the fault must be found. A finding about both engines together counts for each.
        severity: the expected severity.
        between: how many revisions there must be between the first revision and the wrong one.
    """

    name: str
    ids: frozenset[str]
    fault: Fault
    draws: tuple[Draw, ...] = ()
    engines: tuple[EngineName, ...] = BOTH
    severity: Severity = "error"
    between: int = 0


def _kind(ids: str, name: str, fault: Fault, *draws: Draw, on: tuple[EngineName, ...] = BOTH) -> Mutation:
    found = frozenset(ids.split())
    (severity,) = {KINDS[id_].severity for id_ in found if id_ != "V509"}  # It is a note beside an error.
    return Mutation(name, found, fault, draws, on, severity)


_drop_index = partial(parts.drop_part, kinds=(Index,))
_drop_constraint = partial(parts.drop_part, kinds=(Unique, Check, ForeignKey))
_drop_fitted = partial(parts.drop_part, kinds=(Check, ForeignKey))
_drop_foreign_key = partial(parts.drop_part, kinds=(ForeignKey,), has_action=True)
_drop_check = partial(parts.drop_part, kinds=(Check,))
_create_constraint = (parts.create_unique, parts.create_check, parts.create_foreign_key)

MUTATIONS = (
    # ---- the way down
    _kind("V404", "the downgrade forgets an index", faults.down_forgets, parts.create_index),
    _kind("V404", "the downgrade forgets a constraint", faults.down_forgets, *_create_constraint),
    _kind("V404", "the downgrade forgets a column", faults.down_forgets, columns.add_column),
    _kind("V404", "the downgrade forgets a table", faults.down_forgets, tables.create_table),
    _kind(
        "V404",
        "the downgrade leaves an enum type",
        faults.leaves_enum,
        tables.create_enum,
        columns.add_enum_column,
        on=_POSTGRESQL,
    ),
    _kind("V403", "the downgrade does not restore an index", faults.down_forgets, _drop_index),
    _kind("V403", "the downgrade does not restore a constraint", faults.down_forgets, _drop_constraint),
    _kind("V403", "the downgrade does not restore a column", faults.down_forgets, columns.drop_column),
    _kind("V403", "the downgrade restores another type", faults.restores_type, columns.drop_column),
    _kind("V403", "the downgrade leaves the new type", faults.leaves_altered, columns.alter_type),
    _kind("V403", "the downgrade leaves the new nullability", faults.leaves_altered, columns.alter_nullable),
    _kind("V403", "the downgrade leaves the new default", faults.leaves_altered, columns.alter_default),
    _kind("V403", "the downgrade restores another index", faults.restores_index, _drop_index),
    _kind("V403", "the downgrade restores another check", faults.restores_condition, _drop_check),
    _kind("V403", "the downgrade loses an ON DELETE", faults.loses_on_delete, _drop_foreign_key),
    _kind("V403 V404", "the downgrade leaves the new name", faults.down_forgets, columns.rename_column),
    _kind(
        "V401",
        "the downgrade drops an object by a wrong name",
        faults.misnames,
        *_create_constraint,
        parts.create_index,
    ),
    _kind(
        "V401", "the downgrade drops in the wrong order", faults.reverses_down, tables.create_all_kinds, on=_POSTGRESQL
    ),
    # ---- the way up
    _kind("V301 V302", "NOT NULL without a default", faults.forgets_default, columns.add_required_column),
    _kind("V301", "0 as the default of a boolean", faults.default_zero, columns.add_boolean, on=_POSTGRESQL),
    _kind("V301", "a foreign key in the wrong direction", faults.turns_round, parts.create_foreign_key, on=_POSTGRESQL),
    _kind("V302 V505 V509", "a constraint that rows break", faults.up_does_not_fit, *_create_constraint[1:]),
    _kind("V302", "NOT NULL on a column with NULLs", faults.up_does_not_fit, partial(columns.alter_nullable, to=False)),
    _kind("V402 V505 V509", "the old constraint returns, and rows break it", faults.down_does_not_fit, _drop_fitted),
    _kind(
        "V402",
        "the downgrade restores NOT NULL on a column with NULLs",
        faults.down_does_not_fit,
        partial(columns.alter_nullable, to=True),
    ),
    _kind(
        "V402",
        "the downgrade restores a type that is too narrow",
        faults.down_does_not_fit,
        partial(columns.alter_type, widens=True),
        on=_POSTGRESQL,
    ),
    _kind(
        "V601",
        "an operation on one engine only",
        faults.one_engine_only,
        parts.create_index,
        columns.add_column,
        columns.alter_default,
        *_create_constraint,
    ),
    _kind(
        "V104 V301",
        "a name that is too long",
        faults.long_name,
        parts.create_index,
        *_create_constraint,
        on=_POSTGRESQL,
    ),
    _kind("V506 V601", "a rebuild that loses objects unknown to Alembic", faults.rebuild_loses, on=("sqlite",)),
    # ---- rows
    _kind("V501", "the upgrade deletes rows", faults.up_deletes),
    _kind("V502", "the downgrade deletes rows", faults.down_deletes),
    _kind("V504", "the upgrade overwrites values", faults.up_overwrites),
    _kind("V504", "the downgrade overwrites values", faults.down_overwrites),
    _kind("V504", "the downgrade leaves rows of the upgrade", faults.up_adds_rows),
    _kind("V504", "the downgrade does not swap values back", faults.down_forgets, rows.swap_columns, rows.flip_boolean),
    _kind("V501 V502 V504", "the downgrade exchanges two columns", faults.exchanges, columns.rename_two_columns),
    _kind("V501 V504", "a move that leaves rows behind", faults.moves_some, rows.move_to_table),
    _kind("V501 V504", "a move that forgets the values", faults.moves_nothing, rows.move_column),
    _kind("V508", "ids are copied, the sequence is not set", faults.forgets_numbering, rows.copy_table, on=_POSTGRESQL),
    # ---- declarations
    _kind("V501 V504", "a loss of the upgrade is not declared", faults.up_declares_nothing, columns.drop_column),
    _kind(
        "V502",
        "a loss of the downgrade is not declared",
        faults.down_declares_nothing,
        tables.create_table,
        columns.add_column,
    ),
    _kind(
        "V501 V502 V504",
        "changed values are not declared",
        faults.declares_nothing,
        columns.alter_nullable,
        parts.create_check,
        _drop_fitted,
        rows.overwrite,
    ),
    _kind("V503", "the declaration of a loss has a misspelt name", faults.declares_misspelt),
    replace(_kind("V503", "a loss is declared that does not happen", faults.declares_untouched), severity="note"),
    # ---- the graph
    replace(_kind("V101", "two heads", faults.follows_another), between=1),
)


@st.composite
def mutated(draw: st.DrawFn, mutation: Mutation, most: int = 3) -> History:
    """Draw a history with exactly one faulty revision, the last one."""
    pick = Pick(draw, mutation.name)
    history = [first_step(pick)]
    for _ in range(pick.number(mutation.between, mutation.between + most - 2)):
        history.append(a_step(pick, history[-1].after))
    before = history[-1].after
    operation = pick.one(mutation.draws)(pick, before) if mutation.draws else None
    if mutation.draws and operation is None:
        reject()  # There is nothing in this schema to which it could be done.
    step = a_step(pick, before, operation)
    wrong = mutation.fault(pick, step, step.operations[0])
    if wrong == step:
        reject()
    return (*history, wrong)
