"""Finds the columns that a statement copies, and their destinations: `INSERT INTO new (id) SELECT id FROM old`.

A statement that this module does not understand does not count as a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ...database.catalog import CatalogTable, Tables, quote
from ...schema.sql import Piece, closing, pieces
from ...schema.sqlite_text import with_quotes_for_brackets

_ENDS = frozenset({"group", "having", "order", "limit", "offset", "fetch", "window", "union", "intersect", "except"})
_NO_ALIAS = _ENDS | {
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "natural",
    "on",
    "using",
    "where",
    "tablesample",
}


class Copied(NamedTuple):
    """A column that a statement fills from another column.

    Attributes:
        target: the table that the statement fills.
        column: the column of `target` that the statement fills.
        source: the table that the statement reads.
        original: the column of `source` that the statement reads.
        new: the SQL expression for the value that the statement writes, as in the statement.
        old: the SQL expression for the value that the statement reads, such as `"old"."id"`.
        is_bare: whether `new` is only the name of a column, so that the statement copies the value unchanged.
    """

    target: CatalogTable
    column: str
    source: CatalogTable
    original: str
    new: str
    old: str
    is_bare: bool

    @property
    def types(self) -> tuple[str, str]:
        """The types of the old and of the new column."""
        return self.source.types[self.original], self.target.types[self.column]


class _Source(NamedTuple):
    """A table that a query reads, and the alias of the table in the query."""

    table: CatalogTable
    alias: str

    def sql(self, column: str) -> str:
        return f"{quote(self.alias)}.{quote(column)}"


@dataclass(frozen=True)
class Copy:
    """A statement that fills a table from a query.

    Attributes:
        into: the name of the filled table, perhaps after the name of its schema.
        named: the columns that the statement fills, in order; empty if the statement does not name them.
        items: the expressions of the query, in the order of the filled columns.
        rest: the query from its FROM on, up to its GROUP BY, ORDER BY or LIMIT.
        text: the text of the statement. The positions in `items` and `rest` are positions in this text.
        is_plain: whether the query returns one row for each row that it reads.
        next: the copy by the query after a UNION; None if there is no UNION.
    """

    into: Sequence[str]
    named: Sequence[str]
    items: Sequence[Sequence[Piece]]
    rest: Sequence[Piece]
    text: str
    is_plain: bool
    next: Copy | None = None

    def parts(self) -> Iterator[Copy]:
        """Yield a copy for each query of a UNION."""
        yield self
        if self.next:
            yield from self.next.parts()

    @property
    def is_simple(self) -> bool:
        """Whether the statement copies each row of one table at most once."""
        words = [part.word for part in self.rest]
        is_one = self.is_plain and not self.next and words[1:2] != ["("]
        return is_one and not {words[at] for at in outer(words)} & {",", "join"}

    @property
    def reads(self) -> str:
        """The text of the query from its FROM on."""
        return self._written(self.rest)

    def columns(self, tables: Tables) -> list[Copied]:
        """Return the columns that are filled from other columns, in order; empty if the statement is not understood."""
        target, sources = find_table(tables, self.into), [*self._sources(tables)]
        if target is None or any(source.table.identity == target.identity for source in sources):
            return []
        values = [value for item in self.items for value in self._values(item, sources)]
        places = [find_column(target, name) for name in self.named] if self.named else [*target.columns]
        if len(places) != len(values):
            return []
        found = []
        for place, (sql, item, star) in zip(places, values, strict=True):
            origin = star or _origin(item, place or "", sources)
            if place and origin:
                source, original = origin
                is_bare = all(piece.word == "." for piece in item[1::2])
                found.append(Copied(target, place, source.table, original, sql, source.sql(original), is_bare))
        return found

    def _sources(self, tables: Tables) -> Iterator[_Source]:
        for at, piece in enumerate(self.rest):
            if piece.word not in {"from", "join", ",", "only"}:
                continue
            name, end = _name(self.rest, at + 1)
            end += 1 if [each.word for each in self.rest[end : end + 1]] == ["as"] else 0
            after = self.rest[end] if end < len(self.rest) else None
            has_alias = after and after.word not in _NO_ALIAS and (after.word[0] in '"`' or after.word.isidentifier())
            if table := find_table(tables, name):
                yield _Source(table, after.name if after and has_alias else name[-1])

    def _values(
        self, item: Sequence[Piece], sources: Sequence[_Source]
    ) -> Iterator[tuple[str, Sequence[Piece], tuple[_Source, str] | None]]:
        """Yield the SQL and the tokens of an expression of the query. A star yields each column for which it stands."""
        if item[-1].word != "*" or len(item) not in (1, 3):
            yield self._written(item), item, None
            return
        for source in sources:
            if len(item) == 1 or source.alias.lower() == item[0].name.lower():
                yield from ((source.sql(column), (), (source, column)) for column in source.table.columns)

    def _written(self, part: Sequence[Piece]) -> str:
        return self.text[part[0].start : part[-1].end]


@lru_cache(maxsize=16)  # Each statement is read before and after it runs.
def read_copy(statement: str, *, brackets: bool) -> Copy | None:
    """Parse a statement that fills a table from a query. Return None for any other statement.

    Args:
        statement: the text of the statement.
        brackets: whether brackets quote a name, as on SQLite.
    """
    if "SELECT" not in statement.upper():
        return None
    text = with_quotes_for_brackets(statement) if brackets else statement
    parts = pieces(text.rstrip().rstrip(";"))
    words = [part.word for part in parts]
    begin = {"insert": "into", "replace": "into", "create": "table"}.get(words[0] if words else "", "")
    if begin not in words[1:5]:
        return None
    at = words.index(begin) + 1
    at += 3 if words[at : at + 3] == ["if", "not", "exists"] else 0
    into, at = _name(parts, at)
    named: list[str] = []
    if words[at : at + 1] == ["("]:
        end = closing(words, at)
        named, at = [part.name for part in parts[at + 1 : end] if part.word != ","], end + 1
    at += 1 if words[at : at + 1] == ["as"] else 0
    return _read_query(text, into, named, parts[at:])


def _read_query(text: str, into: Sequence[str], named: Sequence[str], parts: Sequence[Piece]) -> Copy | None:
    words = [part.word for part in parts]
    places = outer(words)
    begin = next((at for at in places if words[at] == "from"), None)
    if words[:1] != ["select"] or begin is None:
        return None
    commas = [at for at in places if words[at] == "," and at < begin]
    items = [parts[start + 1 : end] for start, end in zip([0, *commas], [*commas, begin], strict=True)]
    items = [item[:-2] if [part.word for part in item[-2:-1]] == ["as"] else item for item in items]
    if not all(items) or words[1] in {"all", "distinct"}:
        return None
    end = next((at for at in places if at > begin and words[at] in _ENDS), len(words))
    following = None
    if words[end : end + 1] == ["union"]:
        after = end + 1 + (words[end + 1 : end + 2] in (["all"], ["distinct"]))
        following = _read_query(text, into, named, parts[after:])
    ends = {words[at] for at in places if at > end} & _ENDS
    is_plain = bool(following) or (words[end : end + 1] in ([], ["order"]) and not ends)
    return Copy(into, named, items, parts[begin:end], text, is_plain, following)


def _origin(item: Sequence[Piece], target: str, sources: Sequence[_Source]) -> tuple[_Source, str] | None:
    """Return the column that an expression uses. If it uses several, return the column with the name `target`."""
    found: dict[tuple[str, str], tuple[_Source, str]] = {}
    for at, piece in enumerate(item):
        before = item[at - 1].word if at else ""
        after = item[at + 1].word if at + 1 < len(item) else ""
        if before in {"as", "::"} or after in {"(", "."}:
            continue  # a type, a function, or the name of a table
        qualifier = item[at - 2].name.lower() if before == "." and at > 1 else ""
        for source in sources:
            column = find_column(source.table, piece.name)
            if column and qualifier in {"", source.alias.lower()}:
                found.setdefault((source.table.name, column), (source, column))
    if len(found) > 1:
        found = {key: each for key, each in found.items() if each[1].lower() == target.lower()}
    # Tables that are joined by a column share its name.
    return next(iter(found.values()), None)


def find_table(tables: Tables, name: Sequence[str]) -> CatalogTable | None:
    """Return the table to which a name in a statement refers. `name` may begin with the name of the schema."""
    wanted = [part.lower() for part in name]
    if wanted[:1] == ["main"]:
        wanted = wanted[1:]
    named = [table for table in tables.values() if wanted and table.bare_name.lower() == wanted[-1]]
    exact = [table for table in named if table.name.lower() == ".".join(wanted)]
    return next(iter(exact or named), None)


def find_column(table: CatalogTable, name: str) -> str | None:
    """Return the column of a table to which a name in a statement refers."""
    return next((column for column in table.columns if column.lower() == name.lower()), None)


def _name(parts: Sequence[Piece], at: int) -> tuple[list[str], int]:
    """Return the name at a position, with its schema if the statement names it, and the position after the name."""
    names = [parts[at].name] if at < len(parts) else []
    while at + 2 < len(parts) and parts[at + 1].word == ".":
        at += 2
        names.append(parts[at].name)
    return names, at + 1


def outer(words: Sequence[str]) -> list[int]:
    """Return the positions of the words outside of parentheses."""
    found, depth = [], 0
    for at, word in enumerate(words):
        depth -= word in {")", "]"}
        if depth == 0:
            found.append(at)
        depth += word in {"(", "["}
    return found
