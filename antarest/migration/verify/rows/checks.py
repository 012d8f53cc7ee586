"""Limits the values for a column to those that its check constraints allow. The database tries each value."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause
from sqlalchemy.exc import DBAPIError

from ...schema.expression import canonical
from ...schema.inventory import Table
from ...schema.sql import name_of, tokenise, with_quotes
from .pools import ValuePool


def within_checks(connection: Connection, table: TableClause, facts: Table, column: str, pool: ValuePool) -> ValuePool:
    """Return the values in `pool` for a column, without the values that a check on only this column forbids.

    The literals in all checks on the column are added.
    """
    names = {each.name for each in facts.columns}
    for check in facts.checks:
        # `canonical` removes casts, since a type may have the name of a column ("text", "date").
        tokens = tokenise(canonical(check.expression))
        used = {name_of(token) for token in tokens} & names
        if column in used:
            pool = pool.including(_literals(tokens))
        if used == {column}:
            allowed = [each for each in pool.values if _holds(connection, table, column, check.expression, each)]
            pool = replace(pool, values=tuple(allowed))
    return pool


def _literals(tokens: list[str]) -> list[object]:
    texts = [token[1:-1].replace("''", "'") for token in tokens if token[0] == "'"]
    return [*texts, *(int(token) for token in (*tokens, *texts) if token.isdecimal() and token.isascii())]


def _holds(connection: Connection, table: TableClause, column: str, expression: str, value: object) -> bool:
    """Return whether a check of one column accepts a value. If the database cannot evaluate the check, return True."""
    bound: sa.ColumnElement[object] = sa.literal(value, table.c[column].type)
    if connection.dialect.name == "postgresql":
        bound = sa.cast(bound, table.c[column].type)
    row = sa.select(bound.label(column)).subquery(table.name)
    # The expressions of the inventory have no quotes around plain names.
    check: sa.ColumnClause[object] = sa.literal_column(f"({with_quotes(expression, column)})")
    question = sa.select(check).select_from(row)
    try:
        if connection.dialect.name == "sqlite":
            return connection.execute(question).scalar() in (None, 1)
        with connection.begin_nested():
            return connection.execute(question).scalar() is not False
    except DBAPIError:
        return True
