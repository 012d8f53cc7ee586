"""Removes the differences that the options of `env.py` exclude, such as `include_object` or `compare_type=False`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..project.project import Project
from ..schema.compare import Difference
from ..schema.inventory import Inventory

_KINDS = {"table": "table", "column": "column", "index": "index"}
"""The kinds that are asked about, beside the table of each object: ours, and the word of Alembic."""

_ASPECTS = {"compare_type": "type", "compare_server_default": "default"}
"""The options of `env.py` that can switch the comparison of an aspect of columns off, each with this aspect."""


def switched_off(project: Project) -> dict[str, str]:
    """Return the aspects of columns that `env.py` does not want to compare, each with the option that says so."""
    return {aspect: f"{name}=False" for name, aspect in _ASPECTS.items() if project.options.get(name) is False}


def included(project: Project, found: Sequence[Difference], migrated: Inventory) -> list[Difference]:
    """Return the differences without those about objects and aspects that `env.py` excludes.

    Args:
        project: the Alembic project.
        found: the differences between the migrations and the models.
        migrated: the schema that the migrations create.
    """
    off = switched_off(project)
    found = [each for each in found if not (each.kind == "column" and each.aspect in off)]
    by_name, by_object = (project.options.get(each) for each in ("include_name", "include_object"))
    if not by_name and not by_object:
        return found
    metadata = project.metadata()

    def is_in(table: str, name: str, kind: str, *, is_migrated: bool) -> bool:
        """Return whether `env.py` includes an object. Its functions are called as Alembic calls them."""
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
