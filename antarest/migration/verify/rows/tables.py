"""Reflected tables with types that make rows equal on both engines."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, TableClause
from typing_extensions import override


class FloatAsDecimal(sa.TypeDecorator[Decimal]):
    """A NUMERIC of SQLite, which stores a float. Its values are the decimals that PostgreSQL would return."""

    impl = sa.Float
    cache_ok = True

    def __init__(self, numeric: sa.Numeric[Any]) -> None:
        super().__init__()
        self.numeric = numeric  # A float has no number of digits.

    @override
    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> float | None:
        return None if value is None else float(value)

    @override
    def process_result_value(self, value: float | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(str(value))


def reflect_tables(connection: Connection, exclude: Collection[str]) -> dict[str, TableClause]:
    """Reflect the tables of the schema with the types of their columns, sorted by name."""
    found = sa.inspect(connection).get_multi_columns()
    return {
        name: sa.table(name, *(sa.column(each["name"], _storage(each["type"], connection)) for each in columns))
        for (_, name), columns in sorted(found.items())
        if name not in exclude
    }


def _storage(kind: sa.types.TypeEngine[Any], connection: Connection) -> sa.types.TypeEngine[Any]:
    if isinstance(kind, sa.JSON):
        kind.none_as_null = True
    if isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float) and connection.dialect.name == "sqlite":
        return FloatAsDecimal(kind)
    return kind
