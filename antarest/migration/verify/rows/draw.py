"""Generates rows for one table.

Columns get values from their pools, and foreign keys get the keys of referenced rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from random import Random

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from ...errors.base import Hint, MigrationError
from ...schema.expression import canonical
from ...schema.inventory import Column, ForeignKey, Table
from ...schema.sql import name_of, tokenise
from .checks import within_checks
from .pools import PoolMaker, ValuePool, awkward

_REFERRED_ROWS = 200
_SHOWN_REFERENCES = 12
_LENIENT_ATTEMPTS = 20
_LONGEST_INDEXED = 2000  # characters; PostgreSQL has 2,704 bytes for a row of an index, if a text does not compress

Draw = dict[str, object]
KeyValues = tuple[object, ...]


class NoValidRow(MigrationError, code="db.E850"):
    """The constraints of a table refuse every row that was tried.

    Why: no value that was tried satisfies the checks of the table, or the checks contradict each other.

    To do: give values that satisfy the checks. The message shows the flag or the argument for such values.
    """

    def __init__(self, table: str, reason: str) -> None:
        self.table = table
        self.reason = reason
        super().__init__(
            f"no valid row could be generated for the table {table}",
            Hint(f'Give values that fit, as values={{"{table}.COLUMN": [...]}}'),
            details={"reason": reason},
            state="The rows generated so far are in a transaction that was not committed.",
        )


class TableDraw:
    """Generates rows for one table, and remembers the rows that the database has accepted.

    Args:
        connection: reads the rows to which the foreign keys can refer.
        table: the table, which is empty.
        tables: every table with the types of its columns.
        values: a mapping from "table.column" to values that replace the generated values.
        later: the foreign keys that are set after all tables have rows.
        seed: determines the order of the values.
        pools: makes the pool of a column.

    Raises:
        NoValidRow: a column needs a value, but no value for its type is known.
    """

    def __init__(
        self,
        connection: Connection,
        table: Table,
        tables: Mapping[str, TableClause],
        values: Mapping[str, Sequence[object]],
        later: Collection[ForeignKey],
        seed: int,
        pools: PoolMaker = awkward,
    ) -> None:
        self.obstacle = ""
        self.numbered = 0
        self._connection = connection
        self._table = table
        self._tables = tables
        self._values = values
        self._make_pool = pools
        self._later = {column for key in later for column in key.columns}
        self._random = Random(f"{seed}:{table.name}")  # noqa: S311 - repeatable, not secret
        self._numbers = count(1)
        given = {column.name for column in table.columns if f"{table.name}.{column.name}" in values}
        self._keys = sorted(
            (key for key in table.foreign_keys if key not in later and not given.issuperset(key.columns)),
            key=lambda key: (key.referred_table == table.name, -len(key.columns)),
        )
        referring = {column for key in self._keys for column in key.columns}
        self.refers_to_itself = any(key.referred_table == table.name for key in self._keys)
        self._nullable = {column.name for column in table.columns if self._takes_null(column)}
        self._seen: dict[tuple[str, ...], set[str]] = {columns: set() for columns in table.unique_keys}
        keys = (key for index in table.indexes if index.unique for key in index.keys)
        self._distinct = self._names_in(*keys).union(*self._seen)
        indexed = (key for index in table.indexes for key in index.keys)
        self._indexed = self._distinct | self._names_in(*indexed)
        checked = [self._names_in(canonical(check.expression)) for check in table.checks]
        # A check of one column is ignored here, because the pool has only values that the check allows.
        self._constrained = self._distinct.union(*(names for names in checked if len(names) > 1))
        self._pools = dict(self._own_pools(referring - given))
        self._referred = {key: self._rows_referred_to(key) for key in self._keys}
        referred = (min(len(found), _SHOWN_REFERENCES) for found in self._referred.values())
        self.longest = max((*(len(pool.values) for pool in self._pools.values()), *referred), default=0)

    @property
    def is_repeatable(self) -> bool:
        """Whether rows that were added one by one get the same numbers in another database.

        PostgreSQL also gives numbers to refused rows.
        """
        own = (key.referred_columns for key in self._keys if key.referred_table == self._table.name)
        is_sqlite = self._connection.dialect.name == "sqlite"
        has_gaps = not is_sqlite and any(map(self._is_numbered, self._table.columns))
        return not has_gaps and all(self._pools.keys() >= {*columns} for columns in own)

    def row(self, number: int, attempt: int) -> Draw | None:
        """Return a row, or None if its values break a constraint.

        Args:
            number: the number of the row. The first attempt for each row takes the values in order, to use every value.
            attempt: the number of the attempt. Later attempts take random values, first only for constrained columns.
        """
        row = {
            name: self._value(pool, number, by_chance=attempt > (0 if name in self._constrained else _LENIENT_ATTEMPTS))
            for name, pool in self._pools.items()
        }
        for key in self._keys:
            options = [each for each in self._options(key, row) if _agree(row, key, each)]
            if not options:
                self.obstacle = f"{', '.join(key.columns)} must refer to a row of {key.referred_table}, and none fits"
                return None
            chosen = options[number % len(options)] if attempt == 0 else self._random.choice(options)
            row.update(zip(key.columns, chosen, strict=True))
        return None if any(text in self._seen[columns] for columns, text in self._unique_texts(row)) else row

    def accept(self, row: Draw) -> None:
        """Remember a row that the database has accepted."""
        for columns, text in self._unique_texts(row):
            self._seen[columns].add(text)
        for key in self._keys:
            if key.referred_table == self._table.name:
                self._referred[key] = self._rows_referred_to(key)

    def _takes_null(self, column: Column) -> bool:
        key = self._table.primary_key
        return column.nullable and not (key and column.name in key.columns)

    # ---- pools

    def _own_pools(self, referring: Collection[str]) -> Iterator[tuple[str, ValuePool]]:
        for column in self._table.columns:
            given = self._values.get(f"{self._table.name}.{column.name}")
            if given is not None:
                kept = [value for value in given if value is not None or column.name in self._nullable]
                yield column.name, self._shuffled(ValuePool(tuple(kept)))
            elif column.name not in referring and not column.computed and not self._made_by_database(column):
                pool = self._generated_pool(column)
                if pool.values or pool.fresh:
                    yield column.name, self._shuffled(pool)

    def _generated_pool(self, column: Column) -> ValuePool:
        """Return the pool of a column; empty if the column should get its default."""
        nullable = column.name in self._nullable
        if column.name in self._later and nullable:
            return ValuePool((None,))
        if self._table.is_sole_key(column.name) and isinstance(self._type(column), sa.Integer):
            return ValuePool(fresh=int)
        clause = self._tables[self._table.name]
        made = self._make_pool(self._table.name, column.name, self._type(column))
        if column.name in self._indexed:
            short = (value for value in made.values if not (isinstance(value, str) and len(value) > _LONGEST_INDEXED))
            made = replace(made, values=tuple(short))
        pool = within_checks(self._connection, clause, self._table, column.name, made)
        if not pool.values and not nullable and not column.default:
            raise NoValidRow(
                self._table.name, f"no value is known for {column.name}, {column.type} NOT NULL, that its checks allow"
            )
        is_distinct = column.name in self._distinct or not pool.repeats
        values = (*pool.values, None) if nullable else pool.values
        return replace(pool, values=values, fresh=pool.fresh if is_distinct else None)

    def _shuffled(self, pool: ValuePool) -> ValuePool:
        return replace(pool, values=tuple(self._random.sample(pool.values, len(pool.values))))

    def _value(self, pool: ValuePool, number: int, *, by_chance: bool) -> object:
        is_used_up = number >= len(pool.values) and not pool.repeats
        if pool.values and not by_chance and not is_used_up:
            return pool.values[number % len(pool.values)]
        if pool.values and not is_used_up and (pool.fresh is None or self._random.getrandbits(1)):
            return self._random.choice(pool.values)
        if pool.fresh is None:
            return None
        self.numbered = next(self._numbers)
        return pool.fresh(self.numbered)

    def _type(self, column: Column) -> sa.types.TypeEngine[object]:
        return self._tables[self._table.name].c[column.name].type

    def _names_in(self, *texts: str) -> set[str]:
        """Return the columns of the table that some SQL expressions name."""
        words = {name_of(token) for text in texts for token in tokenise(text)}
        return {column.name for column in self._table.columns if column.name in words}

    def _made_by_database(self, column: Column) -> bool:
        """Return whether the database generates the value of a column.

        If a row has to refer to itself, this class generates the value, because the foreign key needs the same value.
        """
        for key in self._keys:
            if key.referred_table == self._table.name and column.name in key.referred_columns:
                return column.identity == "ALWAYS" or (
                    bool(self._nullable & {*key.columns}) and self._is_numbered(column)
                )
        return self._is_numbered(column)

    def _is_numbered(self, column: Column) -> bool:
        if self._connection.dialect.name == "sqlite":
            return column.type == "INTEGER" and self._table.is_sole_key(column.name)
        return column.is_generated

    # ---- foreign keys

    def _rows_referred_to(self, key: ForeignKey) -> list[KeyValues]:
        clause = self._tables.get(key.referred_table)
        if clause is None or not key.referred_columns:  # no such table, or no primary key
            return []
        columns = [clause.c[column] for column in key.referred_columns]
        question = sa.select(*columns).distinct().where(*(column.is_not(None) for column in columns))
        found = sorted(
            map(tuple, self._connection.execute(question.order_by(*columns).limit(_REFERRED_ROWS))), key=repr
        )
        chosen = self._random.sample(found, len(found))
        own = self._table.primary_key
        # If a primary key is also a foreign key, at least one referenced row stays without a row in this table.
        is_extension = own is not None and own.columns == key.columns and len(chosen) > 1
        return chosen[1:] if is_extension else chosen

    def _options(self, key: ForeignKey, row: Draw) -> Iterator[KeyValues]:
        """Yield the possible values of a foreign key.

        These are NULLs, the keys of referenced rows, and such keys with some columns set to NULL.
        """
        found = list(self._referred[key])
        if self._nullable.issuperset(key.columns):
            yield (None,) * len(key.columns)
        if key.referred_table == self._table.name and key.referred_columns and row.keys() >= {*key.referred_columns}:
            found.insert(0, tuple(row[column] for column in key.referred_columns))
        yield from found
        if self._nullable & {*key.columns} and not self._nullable.issuperset(key.columns):
            for each in found:
                yield tuple(None if c in self._nullable else v for c, v in zip(key.columns, each, strict=True))

    # ---- unique keys

    def _unique_texts(self, row: Draw) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the values of each unique key as text.

        A key with a NULL is left out, because the database treats such a key as different from every other key.
        """
        for columns in self._seen:
            values = [row.get(column) for column in columns]
            if None not in values:
                yield columns, repr(values)


def _agree(row: Draw, key: ForeignKey, values: KeyValues) -> bool:
    """Return whether a column that belongs to two foreign keys gets the same value from both keys."""
    return all(column not in row or row[column] == value for column, value in zip(key.columns, values, strict=True))
