"""Compares the models with the schema at head, and tries the mapped classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect, MetaData, UniqueConstraint
from sqlalchemy.exc import NoReferencedTableError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from ...errors.text import first_line, shorten
from ...schema.compare import Difference, differences, were_not_imported, without_unmodelled
from ...schema.inventory import Inventory
from ...scratch.included import called_equal, switched_off, switched_on
from ..findings.finding import Finding
from ..findings.models import unreadable_defaults, unreadable_labels, use_classes
from ..findings.proof import Proof
from ..target import Target
from .runs import Runs
from .state import State

_TYPES = {"unique": "unique_constraint", "foreign key": "foreign_key_constraint"}  # the names of these kinds in Alembic
_OWN_TYPES = ("table", "column", "index", *_TYPES)


def compare_models(runs: Runs, proof: Proof, state: State, start: Inventory | None) -> None:
    """Compare the models with the schema at head. Try the classes whose tables match the models.

    Args:
        runs: runs the revisions.
        proof: receives the findings.
        state: the database at head.
        start: the schema before the revisions that are proved. A difference that this schema already has is a note.
    """
    target = runs.target
    metadata = _known_metadata(target, proof)
    if metadata is None:
        return
    with runs.connected(state.bare) as connection:
        unreadable = unreadable_defaults(connection, metadata, state.schema)
    proof.add("V704", *unreadable)
    proof.findings += _unreadable_labels(runs, proof, state, connection.dialect, metadata)
    models = _schema_of_models(runs, proof, metadata)
    if models is None:
        return
    is_included = _filter(metadata, target.env_options.get("include_object"))
    found, _ = without_unmodelled(differences(state.schema, models), models)  # Models contain no views.
    found = _compared(runs, proof, state, [each for each in found if is_included(each)])
    if unmodelled := were_not_imported(found, state.schema):
        names = shorten([each.path for each in found if each.kind == "table" and each.after is None])
        proof.add("V702", f"{unmodelled} of {len(state.schema.tables)} tables have no model: {names}")
        return
    older = {_text(each) for each in differences(start, models)} if start and start.tables else set()
    unnamed = {*_unnamed_keys(metadata)}
    for each in found:
        is_note = _text(each) in older or each.is_name_only or (each.aspect == "name" and each.path in unnamed)
        severity = "note" if is_note else "error"
        proof.add("V701", _text(each), severity=severity, item=each.path, table=each.table)
    with runs.connected(runs.clones.copy(state.bare)) as connection:
        used = use_classes(connection, metadata, {each.table for each in found})
    proof.not_tried += used.not_tried
    if not unreadable:
        proof.add("V704", *used.faults)


def _unnamed_keys(metadata: MetaData) -> Iterator[str]:
    """Yield the unique keys without a name in the models. Alembic compares the columns of such keys, not the names."""
    for name, table in metadata.tables.items():
        for each in table.constraints:
            if isinstance(each, UniqueConstraint) and each.name is None:
                yield f"{name}({', '.join(column.name for column in each.columns)})"


def _compared(runs: Runs, proof: Proof, state: State, found: Sequence[Difference]) -> list[Difference]:
    """Return the differences, except those of types and defaults that `env.py` does not compare or considers equal."""
    target = runs.target
    options, metadata, env = target.env_options, target.metadata, target.project.env.path
    for aspect, option in switched_off(options).items():
        proof.not_tried.append(f"the models: {aspect} of each column: {env.name} says {option}")
    found = switched_on(options, found)
    if metadata is None or not any(callable(options.get(name)) for name in ("compare_type", "compare_server_default")):
        return list(found)
    equal = called_equal(env, target.options(), metadata, found, runs.clones.copy(state.bare))
    for each in equal:
        proof.not_tried.append(f"the models: {each.aspect} of {each.path}: {env.name} says that it is equal")
    return [each for each in found if each not in equal]


def _unreadable_labels(
    runs: Runs, proof: Proof, state: State, dialect: Dialect, metadata: MetaData
) -> Iterator[Finding]:
    """Yield findings about texts in the database that are not labels of the enum in the model.

    Such a text is one that a revision writes into a column, or a label that a revision allows for a column.
    """
    hints = runs.hints

    def stored(table: str, column: str) -> Iterable[str]:
        there = state.schema.tables[table].column(column) if table in state.schema.tables else None
        # The labels of an enum type are compared with those of the model elsewhere.
        labels = hints.labels.get((table, column), ()) if there and there.type not in state.schema.enums else ()
        texts = {*labels, *hints.written.get((table, column), ())}
        gone = hints.gone.get((table, column), set())
        return [each for each in sorted(texts) if repr(each) not in gone] if there else []

    for table, column, label in unreadable_labels(metadata, dialect, stored):
        item = f"{table}.{column}"
        writer = hints.written.get((table, column), {}).get(label, "")
        found = f"{item}: {'the revision writes' if writer else 'the column permits'} {label!r}, no label of the model"
        yield Finding.of("V704", found, writer, proof.engine, item=item, table=table)


def _known_metadata(target: Target, proof: Proof) -> MetaData | None:
    """Return the metadata of the models; None if it is not known, or is that of `env.py` and has no tables."""
    if why := target.why_no_models:
        proof.not_proved.append(f"the models: {why}")
    metadata = target.metadata
    is_of_env = bool(target.models_of_env) or target.run_env is not None
    if metadata is not None and (metadata.tables or not is_of_env):
        return metadata
    lack = "the metadata of env.py has no tables" if metadata is not None else "env.py gives no metadata"
    proof.not_tried += [f"the models: {lack}"] if is_of_env and not why else []
    return None


def _schema_of_models(runs: Runs, proof: Proof, metadata: MetaData) -> Inventory | None:
    """Create the tables of the models in an empty database; if this fails, in one that `--start` has prepared."""
    why, schemas = "", {table.schema for table in metadata.tables.values() if table.schema}
    for make in (runs.prepared, *([runs.new] if runs.target.start.get(runs.clones.engine) else [])):
        url = make()
        try:
            with runs.connected(url) as connection:
                for schema in sorted(schemas if runs.clones.engine == "postgresql" else ()):
                    connection.execute(CreateSchema(schema, if_not_exists=True))
                metadata.create_all(connection)
                connection.commit()
            return runs.schema(url)
        except NoReferencedTableError as error:
            proof.add("V702", f"{first_line(error)}; the module of {error.table_name} was not imported")
            return None
        except SQLAlchemyError as error:
            why = first_line(error)
    proof.not_proved.append(f"the models: this engine cannot make their tables: {why}")
    return None


def _filter(metadata: MetaData, include_object: Callable[..., bool] | None) -> Callable[[Difference], bool]:
    """Return a filter that omits the objects which `include_object` of `env.py` omits.

    The filter calls `include_object` with the arguments that Alembic would give.
    """

    def is_included(each: Difference) -> bool:
        if include_object is None:
            return True
        if each.kind not in _OWN_TYPES:
            owner = each.table or next((name for name in metadata.tables if each.path.startswith(f"{name}_")), "")
            return not owner or is_included_as("table", owner, each)
        name = each.table if each.kind == "table" else str(getattr(each.before or each.after, "name", "") or each.path)
        if each.kind == "column":
            name = each.path.rpartition(".")[2]
        if each.kind != "table" and not is_included_as("table", each.table, each):
            return False
        return is_included_as(_TYPES.get(each.kind, each.kind), name, each)

    def is_included_as(kind: str, name: str, each: Difference) -> bool:
        assert include_object is not None  # noqa: S101 - the caller has looked
        table = metadata.tables.get(name if kind == "table" else each.table)
        if table is None:
            table = sa.Table(each.table or name, MetaData())
        made: dict[str, Any] = {"table": table, "column": table.c.get(name, sa.Column(name))}
        is_reflected = not each.aspect and each.after is None
        return bool(include_object(made.get(kind), name, kind, is_reflected, None))

    return is_included


def _text(difference: Difference) -> str:
    return difference.render("the migrations", "the models")
