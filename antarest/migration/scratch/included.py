"""Removes the differences that the options of `env.py` exclude, such as `include_object` or `compare_type=False`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ..database.connection import moving
from ..errors.facts.project import InvalidProject
from ..errors.text import described
from ..project.env_options import ALEMBIC, Options, undisturbed
from ..project.project import Project
from ..schema.compare import Difference
from ..schema.inventory import Inventory

_KINDS = {"table": "table", "column": "column", "index": "index"}
"""The kinds of objects about which `env.py` is asked, and their names in Alembic.

For other objects, `env.py` is asked about their table.
"""

_ASPECTS = {"compare_type": "type", "compare_server_default": "default"}
"""The options of `env.py` that can switch off the comparison of an attribute of columns, each with the attribute."""


def switched_off(options: Options) -> dict[str, str]:
    """Return the attributes, such as the type of a column, that `env.py` does not compare, each with the option."""
    return {aspect: f"{name}=False" for name, aspect in _ASPECTS.items() if options.get(name) is False}


def switched_on(options: Options, found: Sequence[Difference]) -> list[Difference]:
    """Return the differences, except those in attributes of columns that `env.py` excludes from comparisons."""
    off = switched_off(options)
    return [each for each in found if not (each.kind == "column" and each.aspect in off)]


def included(project: Project, found: Sequence[Difference], migrated: Inventory) -> list[Difference]:
    """Return the differences, except those in objects and attributes that `env.py` excludes.

    Args:
        project: the Alembic project.
        found: the differences between the migrations and the models.
        migrated: the schema that the migrations create.
    """
    found = switched_on(project.options, found)
    by_name, by_object = (project.options.get(each) for each in ("include_name", "include_object"))
    if not by_name and not by_object:
        return found
    metadata = project.metadata()

    def is_in(table: str, name: str, kind: str, *, is_migrated: bool) -> bool:
        """Return whether `env.py` includes an object. The functions of `env.py` are called as Alembic calls them."""
        schema, _, bare = table.rpartition(".")
        parents = {"schema_name": schema or None, "schema_qualified_table_name": table}
        parents |= {"table_name": bare} if kind != "table" else {}
        if by_name and is_migrated and not by_name(name, kind, parents):
            return False
        item, is_modelled = _item(metadata, table, name, kind)
        return not by_object or bool(by_object(item, name, kind, is_migrated and not is_modelled, None))

    def counts(difference: Difference) -> bool:
        table, is_migrated = difference.table, difference.before is not None
        if not table:
            return True
        if not is_in(table, table.rpartition(".")[2], "table", is_migrated=table in migrated.tables):
            return False
        name, kind = difference.path.rpartition(".")[2], _KINDS.get(difference.kind, "table")
        return kind == "table" or is_in(table, name, kind, is_migrated=is_migrated)

    return [each for each in found if counts(each)]


def called_equal(
    env: Path, options: Options, metadata: sa.MetaData, found: Sequence[Difference], at_head: sa.URL
) -> list[Difference]:
    """Return the differences that do not count, because a function of `env.py` answers that there is no difference.

    `env.py` gives such a function as `compare_type` or `compare_server_default`. Alembic calls the function, so the
    function gets the arguments that it expects.

    Args:
        env: the path of `env.py`, for the error.
        options: the options of Alembic's migration context, with those of `env.py`.
        metadata: the models.
        found: the differences between the migrations and the models.
        at_head: a database that has run the migrations.

    Raises:
        InvalidProject: a function fails.
    """
    given = {name: options.get(name) for name in _ASPECTS}
    functions = {name: value for name, value in given.items() if callable(value)}
    asked = [each for each in found if each.kind == "column" and each.aspect in map(_ASPECTS.get, functions)]
    tables, equal = {each.table for each in asked}, set[tuple[str, str]]()
    if not asked:
        return []

    def is_compared(name: str | None, kind: str, parents: Any) -> bool:
        return kind != "table" or name in tables or parents["schema_qualified_table_name"] in tables

    with ALEMBIC, undisturbed(), moving(at_head) as connection:
        asking = {name: _asking(env, name, function, equal) for name, function in functions.items()}
        opts = {**options, **asking, "include_schemas": True, "include_name": is_compared}
        compare_metadata(MigrationContext.configure(connection, opts=opts), metadata)
    return [each for each in asked if (each.path, each.aspect) in equal]


def _asking(
    env: Path, name: str, function: Callable[..., bool | None], equal: set[tuple[str, str]]
) -> Callable[..., bool]:
    """Return a function for Alembic that asks a function of `env.py`, and stores the columns with the answer "equal".

    Args:
        env: the path of `env.py`, for the error.
        name: the option with the function of `env.py`.
        function: the function of `env.py`.
        equal: receives the path of each such column, with the attribute that was compared.
    """

    def ask(context: MigrationContext, inspected: Any, modelled: Any, *others: Any) -> bool:
        home = f"{context.dialect.default_schema_name}."
        path = f"{modelled.table.fullname.removeprefix(home)}.{modelled.name}"
        try:
            answer = function(context, inspected, modelled, *others)
        except Exception as error:
            raise InvalidProject(env, f"{name} cannot compare {path}: {described(error)}") from error
        if answer is not None and not answer:
            equal.add((path, _ASPECTS[name]))
        return False  # With None, Alembic would compare them itself.

    return ask


def _item(metadata: sa.MetaData, table: str, name: str, kind: str) -> tuple[Any, bool]:
    """Return an object of the models, and True. If the models lack it, return a new object of this name, and False."""
    schema, _, bare = table.rpartition(".")
    known = metadata.tables.get(table)
    owner = sa.Table(bare, sa.MetaData(), schema=schema or None) if known is None else known
    if kind == "table":
        return owner, known is not None
    items: Any = owner.columns if kind == "column" else owner.indexes
    same = next((each for each in items if each.name == name), None)
    if same is not None:
        return same, True
    return (sa.Column(name) if kind == "column" else sa.Index(name)), False
