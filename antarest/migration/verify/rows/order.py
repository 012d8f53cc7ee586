"""Finds an order in which tables can be filled, and the foreign keys that can only be set afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

from ...schema.inventory import ForeignKey, Table


class DeferredKey(NamedTuple):
    """A foreign key that closes a cycle of tables. It is set after all tables of the cycle have rows."""

    table: str
    key: ForeignKey


def insertion_order(tables: Mapping[str, Table]) -> tuple[list[str], list[DeferredKey]]:
    """Sort the tables: each table comes after the tables to which it refers, as far as cycles allow this.

    Returns:
        The names of the tables in order, and the foreign keys that have to wait because of cycles. A table that refers
        to itself does not count as a cycle.
    """
    cuts: list[DeferredKey] = []
    while True:
        graph = {
            name: sorted(
                key.referred_table
                for key in tables[name].foreign_keys
                if DeferredKey(name, key) not in cuts and key.referred_table in tables and key.referred_table != name
            )
            for name in sorted(tables)
        }
        try:
            return list(TopologicalSorter(graph).static_order()), cuts
        except CycleError as error:
            cuts.append(_weakest(error.args[1], tables, cuts))


def is_nullable(table: Table, key: ForeignKey) -> bool:
    """Return whether a foreign key can be NULL, because at least one of its columns accepts NULL."""
    return any(column.nullable for column in table.columns if column.name in key.columns)


def _weakest(cycle: Sequence[str], tables: Mapping[str, Table], cuts: Sequence[DeferredKey]) -> DeferredKey:
    candidates = [
        DeferredKey(name, key)
        for referred, name in pairwise(cycle)
        for key in tables[name].foreign_keys
        if key.referred_table == referred and DeferredKey(name, key) not in cuts
    ]
    return min(
        candidates, key=lambda cut: (not is_nullable(tables[cut.table], cut.key), not cut.key.options, cut.table)
    )
