"""The options with which Alembic writes a revision, and corrections of the operations that Alembic finds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.sql.functions import FunctionElement, next_value

from ...losses.tracking.conversions import can_convert
from ...project.project import Project
from .deferred_keys import keep_deferrable
from .enums import EnumName, complete_enums, render_enum

_REASON = "the downgrade drops it"
_LONGEST_NAME = 64  # bytes on PostgreSQL, including a byte that ends the name


@dataclass(frozen=True)
class Writing:
    """The request to `env.py` to write a revision. No database is migrated.

    Attributes:
        project: the project that gets the revision.
        only_changes: True to write the detected changes, or no file if there are none; False to write an empty
            revision.
        tables: the tables that Alembic compares; None for all tables.
        columns: the columns that the revision is allowed to alter, as "table.column"; None for all columns.
        at_head: the URL of a scratch database at head, to compare the models with; None to create such a database.
        in_batches: whether tables are altered in batches, as SQLite needs it.
        lossy: filled when the revision is written, with each item that the downgrade drops, and the reason.
    """

    project: Project
    only_changes: bool = False
    tables: frozenset[str] | None = None
    columns: frozenset[str] | None = None
    at_head: sa.URL | None = None
    in_batches: bool = True
    lossy: dict[str, str] = field(default_factory=dict)


def comparison_options(writing: Writing, connection: sa.Connection) -> dict[str, Any]:
    """Return the options for `context.configure` with which Alembic compares the models with a scratch database.

    Args:
        writing: the request. The result is based on the options of `env.py`, which are in `writing.project`. The
            names in `writing.tables` and `writing.columns` omit the default schema of the database, even if a model
            names this schema.
        connection: a connection to the scratch database.
    """
    given, ours = writing.project.options, _Rules(writing, connection.dialect.default_schema_name)
    has_schemas = any(table.schema for table in writing.project.metadata().tables.values())
    return {
        **writing.project.scratch_options(),
        "compare_type": given.get("compare_type", True),
        "compare_server_default": given.get("compare_server_default", True),
        "render_as_batch": writing.in_batches and given.get("render_as_batch", True),
        "include_schemas": given.get("include_schemas", has_schemas),
        "process_revision_directives": ours.complete,
        # `include_object` alone is enough, but then Alembic first reads all tables.
        "include_name": ours.include_name,
        "include_object": ours.include_object,
        "render_item": ours.render_item,
    }


class _Rules:
    """The options that both `env.py` and the workflow decide: which objects are compared, and how each is written."""

    def __init__(self, writing: Writing, home: str | None) -> None:
        self._home = home
        self._enums: frozenset[EnumName] = frozenset()
        self._given = writing.project.options
        self._own = writing.project.workflow_tables
        self._writing = writing

    def complete(self, context: MigrationContext, revision: object, directives: list[ops.MigrationScript]) -> None:
        """Correct and sort the operations of a revision, let `env.py` change them, and declare the losses."""
        for script in directives:
            for upgrade, way_back in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
                has_identity = context.dialect.name != "sqlite"
                _alter_only(upgrade, self._writing.columns, self._home, has_identity=has_identity)
                _create_parents_first(upgrade)
                _create_keys_last(upgrade)
                _drop_in_order(upgrade)
                _name_constraints(upgrade)
                assert context.connection is not None  # noqa: S101 - a comparison has one
                keep_deferrable(upgrade, context.connection)
                upgrade.reverse_into(way_back)
                self._enums = complete_enums(upgrade, way_back, self._writing.project.metadata())
        if change := self._given.get("process_revision_directives"):
            change(context, revision, directives)
        for script in directives:
            for ops_ in (*script.upgrade_ops_list, *script.downgrade_ops_list):
                _quote_schemas(ops_, context.opts.get("sqlalchemy_module_prefix") or "")
        is_empty = all(ops_.is_empty() for script in directives for ops_ in script.upgrade_ops_list)
        if self._writing.only_changes and is_empty:
            directives.clear()
        for script in directives:
            downgrade = {item: _REASON for ops_ in script.downgrade_ops_list for item in _dropped(ops_, self._home)}
            self._writing.lossy.update(downgrade)
            context.opts["template_args"]["lossy"] = {"downgrade": downgrade} if downgrade else {}
            for key, named in (("drops", _dropped), ("retypes", _retyped)):
                items = [item for ops_ in script.upgrade_ops_list for item in named(ops_, self._home)]
                context.opts["template_args"][key] = items

    def include_name(self, name: str | None, kind: str, parents: Any) -> bool:
        """Return whether an object of the database is compared."""
        theirs = self._given.get("include_name")
        is_ours = self._is_compared(name, kind, parents.get("schema_name"))
        return is_ours and (theirs is None or theirs(name, kind, parents))

    def include_object(self, found: Any, name: str | None, kind: str, *others: Any) -> bool:
        """Return whether an object of the database or of the models is compared."""
        theirs = self._given.get("include_object")
        is_ours = self._is_compared(name, kind, getattr(found, "schema", None))
        return is_ours and (theirs is None or theirs(found, name, kind, *others))

    def _is_compared(self, name: str | None, kind: str, schema: str | None) -> bool:
        full, tables = f"{schema}.{name}" if schema not in (None, self._home) else name, self._writing.tables
        return kind != "table" or (name not in self._own and (tables is None or full in tables))

    def render_item(self, kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
        """Return the Python code of an item as `env.py` renders it.

        If `env.py` does not render the item, return code for both engines, and add the import that the code needs.
        """
        theirs = self._given.get("render_item")
        rendered: str | Literal[False] = theirs(kind, item, context) if theirs else False
        if rendered is not False:
            return rendered
        if kind == "type" and (text := render_enum(item, self._enums, context, alone=not self._writing.in_batches)):
            return text
        prefix = self._given.get("user_module_prefix")
        module = prefix.rstrip(".") if prefix else type(item).__module__
        # A prefix can be a name that script.py.mako imports. Import the prefix only if it is the module of the type.
        is_module = not prefix or getattr(sys.modules.get(module), type(item).__name__, None) is type(item)
        if kind == "type" and is_module and not _is_known(type(item).__module__):
            context.imports.add(f"import {module}")
        return (kind == "server_default" and _expression(getattr(item, "arg", None))) or False


def correct_comparison(context: MigrationContext) -> None:
    """Correct how Alembic compares the defaults of columns, and how it renders expressions.

    Alembic lets PostgreSQL compare the values of two defaults. PostgreSQL refuses a value that the type of the column
    does not have yet, such as a new label of an enum. In this case, the defaults differ.

    SQLAlchemy doubles each percent sign for psycopg2. Alembic writes both signs into the file, where only one sign is
    right.
    """
    impl, connection = context.impl, context.connection
    compare, render = impl.compare_server_default, impl.render_ddl_sql_expr
    assert connection is not None  # noqa: S101 - a comparison has one

    def is_different(*given: Any) -> bool:
        try:
            with connection.begin_nested():
                return bool(compare(*given))  # type: ignore[no-untyped-call]
        except sa.exc.DBAPIError:
            return True

    impl.compare_server_default = is_different  # type: ignore[method-assign]
    if context.dialect.identifier_preparer._double_percents:  # noqa: SLF001 - there is no public way
        impl.render_ddl_sql_expr = lambda *given, **named: render(*given, **named).replace("%%", "%")  # type: ignore[method-assign]


def _is_known(module: str) -> bool:
    """Return whether a revision can use the types of this module without a further import."""
    return module.partition(".")[0] in ("sqlalchemy", "alembic", "builtins", "__main__")


def _expression(item: Any) -> str:
    """Return the Python code of an SQL expression that each engine writes differently; empty for other expressions."""
    if isinstance(item, (sa.True_, sa.False_, sa.Null)):
        return f"sa.{str(item).lower()}()"
    if isinstance(item, sa.BindParameter) and isinstance(item.value, (str, int, float, bool, type(None))):
        return repr(item.value)
    if isinstance(item, sa.TextClause) and not item._bindparams:  # noqa: SLF001 - there is no public way
        return f"sa.text({item.text!r})"
    if isinstance(item, FunctionElement) and not isinstance(item, next_value):
        arguments = [_expression(each) for each in item.clauses]
        packages = ".".join([*getattr(item, "packagenames", ()), str(getattr(item, "name", ""))])
        return f"sa.func.{packages}({', '.join(arguments)})" if all(arguments) else ""
    return ""


def _alter_only(
    operations: ops.OpContainer, columns: frozenset[str] | None, home: str | None, *, has_identity: bool
) -> None:
    """Remove the changes of columns that are not in `columns`, and changes of identities that Alembic writes wrongly.

    On an engine without identities, Alembic reports each identity as missing. A correct change of an identity also
    contains the old identity, which Alembic cannot write.
    """
    kept: list[ops.MigrateOperation] = []
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            _alter_only(each, columns, home, has_identity=has_identity)
        elif isinstance(each, ops.AlterColumnOp):
            old, new = each.existing_server_default, each.modify_server_default
            each.kw.pop("autoincrement", None)  # Alembic warns that only MySQL has this option.
            if isinstance(old, sa.Identity) or (isinstance(new, sa.Identity) and not has_identity):
                each.modify_server_default = False
            is_seen = columns is None or f"{_full_name(each, home)}.{each.column_name}" in columns
            if not (is_seen and each.has_changes()):
                continue
        kept.append(each)
    operations.ops[:] = [each for each in kept if not (isinstance(each, ops.OpContainer) and each.is_empty())]


def _create_parents_first(operations: ops.UpgradeOps) -> None:
    """Create each table that inherits from other tables (PostgreSQL) after these tables.

    Alembic does not look at inheritance: it orders the tables by their foreign keys and their names.
    """
    created = {_full_name(each): each for each in operations.ops if isinstance(each, ops.CreateTableOp)}
    parents = {name: _parents(each) & created.keys() for name, each in created.items()}
    if any(parents.values()):
        order = [created[name] for name in TopologicalSorter(parents).static_order()]
        operations.ops[:] = [*order, *(each for each in operations.ops if each not in order)]


def _parents(create: ops.CreateTableOp) -> set[str]:
    named = create.kw.get("postgresql_inherits") or ()
    return {named} if isinstance(named, str) else set(named)


def _create_keys_last(operations: ops.UpgradeOps) -> None:
    """Create some foreign keys after all tables: those to a table that is created later, and those with `use_alter`.

    Alembic writes such a key into the CREATE TABLE statement. There, a key to a later table makes the statement fail.
    On PostgreSQL, the statement leaves out a key with `use_alter`.
    """
    created = [each for each in operations.ops if isinstance(each, ops.CreateTableOp)]
    later = {_full_name(each): position for position, each in enumerate(created)}
    keys: list[ops.MigrateOperation] = []
    for position, table in enumerate(created):
        for key in [each for each in table.columns if isinstance(each, sa.ForeignKeyConstraint)]:
            refers_to = key.elements[0].target_fullname.rpartition(".")[0]
            if key.use_alter or later.get(refers_to, position) > position:
                table.columns = [each for each in table.columns if each is not key]
                create = ops.CreateForeignKeyOp.from_constraint(key)
                create.kw.pop("use_alter", None)
                keys.append(ops.ModifyTableOps(table.table_name, [create], schema=table.schema))
    operations.ops.extend(keys)


def _name_constraints(operations: ops.OpContainer) -> None:
    """Give each new, unnamed constraint of an existing table the name that PostgreSQL would choose.

    Without a name, the downgrade could not drop the constraint, and a batch on SQLite could not create it. If the name
    would be too long for PostgreSQL, the constraint stays unnamed, and somebody has to write a name.
    """
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            _name_constraints(each)
        elif isinstance(each, (ops.CreateForeignKeyOp, ops.CreateUniqueConstraintOp)) and each.constraint_name is None:
            constraint: Any = each.to_constraint()
            end = "fkey" if isinstance(each, ops.CreateForeignKeyOp) else "key"
            name = "_".join([constraint.table.name, *constraint.columns.keys(), end])
            each.constraint_name = name if len(name.encode()) < _LONGEST_NAME else None


class _Quoted(str):
    """The name of a schema. Its Python code makes Alembic quote the whole name, and not each part between dots."""

    __slots__ = ("prefix",)
    prefix: str

    def __repr__(self) -> str:
        return f"{self.prefix}quoted_name({str(self)!r}, quote=True)"


def _quote_schemas(operations: ops.OpContainer, prefix: str) -> None:
    """Quote the name of a schema that contains a dot. In ALTER TABLE, Alembic would take this name for two names."""
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            _quote_schemas(each, prefix)
        schema = getattr(each, "schema", None) or ""
        if "." in schema and isinstance(each, (ops.ModifyTableOps, ops.AlterTableOp)):
            each.schema = _Quoted(schema)
            each.schema.prefix = prefix


def _full_name(operation: Any, home: str | None = None) -> str:
    """Return the name of an operation's table, with its schema unless this is `home`; empty if it has no table."""
    schema, name = (getattr(operation, each, None) for each in ("schema", "table_name"))
    return f"{schema}.{name}" if schema and schema != home else name or ""


def _drop_in_order(operations: ops.UpgradeOps) -> None:
    """Drop tables last, and each table after the tables that refer to it. Alembic drops tables in a random order."""
    drops = {_full_name(each): each for each in operations.ops if isinstance(each, ops.DropTableOp)}
    graph = {name: _referred_to(drops[name]) & drops.keys() - {name} for name in sorted(drops)}
    try:
        order = [*TopologicalSorter(graph).static_order()][::-1]
    except CycleError:  # On PostgreSQL, somebody has to write a statement to drop these.
        order = sorted(drops)
    own = [each for each in operations.ops if _full_name(each) in drops]
    others = [each for each in operations.ops if each not in own]
    operations.ops[:] = [*others, *sorted(own, key=lambda each: order.index(_full_name(each)))]


def _referred_to(drop: ops.DropTableOp) -> set[str]:
    return {key.target_fullname.rpartition(".")[0] for key in drop.to_table().foreign_keys}


def _dropped(operations: ops.OpContainer, home: str | None) -> Iterator[str]:
    for operation in operations.ops:
        if isinstance(operation, ops.DropTableOp):
            yield _full_name(operation, home)
        elif isinstance(operation, ops.DropColumnOp):
            yield f"{_full_name(operation, home)}.{operation.column_name}"
        elif isinstance(operation, ops.OpContainer):
            yield from _dropped(operation, home)


def _retyped(operations: ops.OpContainer, home: str | None) -> Iterator[str]:
    for operation in operations.ops:
        if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
            if may_convert(operation.existing_type, operation.modify_type):
                yield f"{_full_name(operation, home)}.{operation.column_name}"
        elif isinstance(operation, ops.OpContainer):
            yield from _retyped(operation, home)


def may_convert(old: object, new: object) -> bool:
    """Return whether a change from the type `old` to the type `new` can change values on one of the engines."""
    return can_convert("postgresql", str(old).lower(), str(new).lower())  # SQLite converts no other types.
