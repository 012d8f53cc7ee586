"""A model of the schema that a random history makes, so that only operations that are valid are drawn.

Every object has a method that returns its source in a revision. The SQL in this module is the same on both engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeVar

from hypothesis import strategies as st
from typing_extensions import override

T = TypeVar("T")

# Some of them must be quoted: words of SQL, capitals, letters beyond ASCII.
_WORDS = ("river", "lake", "order", "Source", "depth", "group", "höhe", "label", "Gauge", "user", "reach", "level")

# The types of columns, each with a default that both engines take and a literal to fill it with; "" for none.
TYPES = {
    "sa.String(40)": ('"open"', "'none'"),
    "sa.Integer": ('"7"', "0"),
    "sa.Boolean": ("sa.false()", "false"),
    "sa.Text": ('"long"', "'none'"),
    "sa.BigInteger": ('"7"', "0"),
    "sa.Float": ('"1.5"', "0"),
    "sa.Numeric(10, 2)": ('"2.50"', "0"),
    "sa.String(80)": ('"wide"', "'none'"),
    "sa.DateTime": ("", ""),
    "sa.JSON": ("", ""),
    "sa.LargeBinary": ("", ""),
}


class Pick:
    """Makes the random choices for one history, and names that no other object of the history has.

    Hypothesis draws only one number, and the other choices are made from this number and from `of`. If Hypothesis made
    every choice, it would try the simplest options first, and the first histories of all kinds of faults would be the
    same.
    """

    def __init__(self, draw: st.DrawFn, of: str = "") -> None:
        self._random = Random(f"{of} {draw(st.integers(0, 2**40))}")  # noqa: S311 - repeatable, not secret
        self._words = list(_WORDS)
        self._count = 0

    def one(self, options: Sequence[T]) -> T:
        """Return one of several options."""
        return self._random.choice(options)

    def maybe(self) -> bool:
        """Return True or False."""
        return self._random.random() < 0.5

    def number(self, least: int, most: int) -> int:
        """Return a whole number."""
        return self._random.randint(least, most)

    def word(self) -> str:
        """Return a new name for a table or column."""
        if not self._words:
            return self.name("thing")
        word = self.one(self._words)
        self._words.remove(word)
        return word

    def name(self, prefix: str) -> str:
        """Return a new name for a constraint, index or type."""
        self._count += 1
        return f"{prefix}_{self._count}"


@dataclass(frozen=True)
class Column:
    """A column. `type` and `default` are the source in a revision, and `enum` is the name of the enum type."""

    name: str
    type: str
    nullable: bool = True
    default: str = ""
    enum: str = ""

    @property
    def source(self) -> str:
        """The source of the column in a revision."""
        more = "" if self.nullable else ", nullable=False"
        return (
            f"sa.Column({self.name!r}, {self.type}{more}{f', server_default={self.default}' if self.default else ''})"
        )

    @property
    def filler(self) -> str:
        """A literal of SQL that fits the column; empty if there is none."""
        return TYPES[self.type][1] if self.type in TYPES else ""


@dataclass(frozen=True)
class Part:
    """An index or a constraint of a table, known by its name."""

    name: str
    columns: tuple[str, ...]

    def create(self, table: str) -> str:
        """The statement that creates it."""
        raise NotImplementedError

    def drop(self, table: str) -> str:
        """The statement that drops it."""
        raise NotImplementedError

    def inline(self) -> str:
        """The source as an argument of `op.create_table`; empty if it needs its own statement."""
        raise NotImplementedError

    def fit(self, table: str) -> str:  # noqa: ARG002 - some parts have something to change there
        """Return the statement that changes the rows that violate it; empty if all rows satisfy it."""
        return ""

    @property
    def listed(self) -> str:
        """The columns as a list in a revision."""
        return repr(list(self.columns))


class _Constraint(Part):
    type_ = ""
    create_ = ""

    def arguments(self) -> str:
        """The arguments after the name in the call that creates it."""
        return self.listed

    @override
    def create(self, table: str) -> str:
        return batch(table, f"batch.create_{self.create_}({self.name!r}, {self.arguments()})")

    @override
    def drop(self, table: str) -> str:
        return batch(table, f'batch.drop_constraint({self.name!r}, type_="{self.type_}")')


@dataclass(frozen=True)
class Unique(_Constraint):
    """A unique constraint."""

    type_ = "unique"
    create_ = "unique_constraint"

    @override
    def inline(self) -> str:
        return f"sa.UniqueConstraint({self.listed[1:-1]}, name={self.name!r})"


@dataclass(frozen=True)
class Check(_Constraint):
    """A check of one column. The condition has `{}` in place of the column."""

    condition: str = ""
    filler: str = ""
    type_ = "check"
    create_ = "check_constraint"

    @property
    def sql(self) -> str:
        """The condition."""
        return self.condition.format(quote(self.columns[0]))

    @override
    def arguments(self) -> str:
        return f"sa.text({self.sql!r})"

    @override
    def inline(self) -> str:
        return f"sa.CheckConstraint({self.sql!r}, name={self.name!r})"

    @override
    def fit(self, table: str) -> str:
        column = quote(self.columns[0])
        return sql(f"UPDATE {quote(table)} SET {column} = {self.filler} WHERE NOT ({self.sql})")


@dataclass(frozen=True)
class ForeignKey(_Constraint):
    """A foreign key from one column to the id of a table."""

    to: str = ""
    on_delete: str = ""
    type_ = "foreignkey"
    create_ = "foreign_key"

    @property
    def _more(self) -> str:
        return f', ondelete="{self.on_delete}"' if self.on_delete else ""

    @override
    def arguments(self) -> str:
        return f'{self.to!r}, {self.listed}, ["id"]{self._more}'

    @override
    def inline(self) -> str:
        return f"sa.ForeignKeyConstraint({self.listed}, [{f'{self.to}.id'!r}], name={self.name!r}{self._more})"

    @override
    def fit(self, table: str) -> str:
        column = quote(self.columns[0])
        known = f"SELECT id FROM {quote(self.to)}"
        return sql(f"UPDATE {quote(table)} SET {column} = NULL WHERE {column} NOT IN ({known})")


@dataclass(frozen=True)
class Index(Part):
    """An index. `expression` makes it an index on `lower(column)`, and `partial` one of the rows with a value."""

    unique: bool = False
    expression: bool = False
    partial: bool = False

    @override
    def create(self, table: str) -> str:
        keys = f"[sa.text({f'lower({quote(self.columns[0])})'!r})]" if self.expression else self.listed
        where = f"sa.text({f'{quote(self.columns[0])} IS NOT NULL'!r})"
        more = ", unique=True" if self.unique else ""
        more += f", sqlite_where={where}, postgresql_where={where}" if self.partial else ""
        return f"op.create_index({self.name!r}, {table!r}, {keys}{more})"

    @override
    def drop(self, table: str) -> str:
        return f"op.drop_index({self.name!r}, {table!r})"

    @override
    def inline(self) -> str:
        return ""


@dataclass(frozen=True)
class Table:
    """A table. Its first column is a numbered id, which `columns` omits. `made_as` is its first name."""

    name: str
    columns: tuple[Column, ...]
    parts: tuple[Part, ...] = ()
    made_as: str = ""

    def create(self) -> tuple[str, ...]:
        """The statements that create the table."""
        id_ = 'sa.Column("id", sa.Integer, primary_key=True)'
        inside = [id_, *(each.source for each in self.columns), *filter(None, (part.inline() for part in self.parts))]
        made = f"op.create_table(\n    {self.name!r},\n    {', '.join(inside)},\n)"
        return (made, *(part.create(self.name) for part in self.parts if not part.inline()))

    def drop(self) -> tuple[str, ...]:
        """The statements that drop the table and its enum types."""
        return (f"op.drop_table({self.name!r})", *(drop_enum(each) for each in self.columns if each.enum))

    def about(self, column: Column) -> list[Part]:
        """Return the indexes and constraints that name a column."""
        return [part for part in self.parts if column.name in part.columns]

    @property
    def free(self) -> list[Column]:
        """The columns without an index or constraint, whose values do not depend on other columns."""
        return [each for each in self.columns if not self.about(each) and not each.enum]

    @property
    def can_be_rebuilt(self) -> bool:
        """Whether `op.batch_alter_table` keeps everything on SQLite: SQLAlchemy cannot read an index of expressions."""
        return not any(isinstance(part, Index) and part.expression for part in self.parts)

    def with_column(self, old: Column, new: Column) -> Table:
        """Return the table with another column in place of this one."""
        columns = tuple(new if each == old else each for each in self.columns)
        names = {old.name: new.name}
        parts = (replace(part, columns=tuple(names.get(c, c) for c in part.columns)) for part in self.parts)
        return replace(self, columns=columns, parts=tuple(parts))


@dataclass(frozen=True)
class Schema:
    """The tables at one moment."""

    tables: tuple[Table, ...] = ()

    def replaced(self, old: Table, new: Table) -> Schema:
        """Return the schema with another table, at the end, in place of the one with this name."""
        return Schema((*(each for each in self.tables if each.name != old.name), new))

    def renamed(self, old: Table, name: str) -> Schema:
        """Return the schema with another name for a table, also in the foreign keys that refer to it."""

        def follow(part: Part) -> Part:
            return replace(part, to=name) if isinstance(part, ForeignKey) and part.to == old.name else part

        made_as = old.made_as or old.name
        tables = [replace(each, name=name, made_as=made_as) if each == old else each for each in self.tables]
        return Schema(tuple(replace(each, parts=tuple(map(follow, each.parts))) for each in tables))

    def referring(self, table: Table) -> list[Table]:
        """Return the other tables that refer to a table."""
        return [
            each
            for each in self.tables
            if any(isinstance(part, ForeignKey) and part.to == table.name for part in each.parts)
        ]


@dataclass(frozen=True)
class Declared:
    """The declarations of a revision: losses by direction and item, and moves."""

    upgrade: dict[str, str] = field(default_factory=dict)
    downgrade: dict[str, str] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)

    def __or__(self, other: Declared) -> Declared:
        return Declared(self.upgrade | other.upgrade, self.downgrade | other.downgrade, self.moves | other.moves)


def quote(name: str) -> str:
    """Return a name in SQL, quoted as both engines need it."""
    return f'"{name}"'


def sql(statement: str) -> str:
    """Return a statement of SQL in a revision."""
    return f"op.execute({statement!r})"


def batch(table: str, *lines: str) -> str:
    """Return changes of a table in a batch, for which SQLite rebuilds the table."""
    return "\n    ".join([f"with op.batch_alter_table({table!r}) as batch:", *lines])


def on_engine(engine: str, statements: Iterable[str]) -> str:
    """Return statements that run on one engine only."""
    lines = [line for each in statements for line in each.splitlines()]
    return "\n    ".join([f'if op.get_bind().dialect.name == "{engine}":', *(lines or ["pass"])])


def drop_enum(column: Column) -> str:
    """Return the statement that drops the type of a column."""
    return f"sa.Enum(name={column.enum!r}).drop(op.get_bind(), checkfirst=True)"
