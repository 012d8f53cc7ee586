"""Parses the `CREATE TABLE` text that SQLite keeps, for the properties that no PRAGMA returns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from .inventory import CheckConstraint
from .sql import as_written, closing, join, pieces, split, tokenise

_CONSTRAINTS = {"constraint", "primary", "unique", "check", "foreign"}  # No column definition begins with these.
# A text in which a bracket does not begin a name; or a name in brackets.
_BRACKETS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | --[^\n]* | /\*.*?\*/ | \[(?P<name>[^\]]*)\]""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_OR_BRACKET = re.compile(r"--|/\*|\[")


class KeyText(NamedTuple):
    """The properties of a foreign key that only the text of its table has."""

    name: str | None = None
    deferral: str = ""


class UniqueText(NamedTuple):
    """The properties of a unique constraint that only the text of its table has."""

    name: str | None = None
    conflict: str = ""


class TableText(NamedTuple):
    """The properties of a table in the text of its `CREATE TABLE`. The names of columns are in lower case."""

    columns: frozenset[str] = frozenset()
    collations: Mapping[str, str] = {}
    generated: Mapping[str, str] = {}
    autoincrement: str | None = None
    primary_key: str | None = None  # the name of the primary key
    foreign_keys: tuple[KeyText, ...] = ()  # in the order of the text
    uniques: Mapping[tuple[str, ...], UniqueText] = {}
    checks: tuple[CheckConstraint, ...] = ()
    options: str = ""


class _Clause(NamedTuple):
    """The definition of a column or a constraint, as three lists of the same tokens.

    Attributes:
        words: the tokens in lower case, with an empty text for each token inside parentheses. Names keep their quotes,
            so that a search for a keyword of SQL does not find a quoted name.
        tokens: the tokens in the spelling for comparisons.
        written: the tokens as they are written.
    """

    words: Sequence[str]
    tokens: Sequence[str]
    written: Sequence[str]

    def at(self, word: str) -> Iterator[int]:
        """Return the positions of a keyword of SQL in the definition."""
        return (at for at, each in enumerate(self.words) if each == word)

    def within(self, start: int) -> str:
        """Return the text in the parentheses that open at `start`."""
        return join(self.tokens[start + 1 : closing(self.words, start)])

    def names(self, start: int, end: int) -> tuple[str, ...]:
        """Return the names between two positions of the definition, in lower case."""
        return tuple(fold(_plain(part[0])) for part in split(self.written[start:end]))

    def name_before(self, at: int) -> str | None:
        """Return the name of the constraint at a position, if `CONSTRAINT name` is before it."""
        return _plain(self.written[at - 1]) if self.words[at - 2 : at - 1] == ["constraint"] else None


def with_quotes_for_brackets(sql: str) -> str:
    """Return the text with `[a b]` written as `"a b"`, because brackets are also tokens of PostgreSQL's arrays."""
    return _BRACKETS.sub(_quoted, sql) if "[" in sql else sql


def _quoted(found: re.Match[str]) -> str:
    return found[0] if found["name"] is None else '"' + found["name"].replace('"', '""') + '"'


@lru_cache(maxsize=1024)  # Most tables are the same on both sides of a comparison.
def read_table(sql: str) -> TableText:
    """Parse a `CREATE TABLE` statement as SQLite keeps it. The result is empty if the statement cannot be parsed."""
    sql = with_quotes_for_brackets(sql)
    tokens, written = tokenise(sql), as_written(sql)
    words = [word.lower() for word in written]
    if words[1:2] == ["virtual"]:
        return TableText(options=join(tokens[words.index("using") :]) if "using" in words else "")
    if "(" not in words:
        return TableText()
    start = words.index("(")
    end = closing(words, start)
    definitions, at = [], start + 1
    for part in split(words[start + 1 : end]):
        stop = at + len(part)
        definitions.append(_Clause([*_outside(part)], tokens[at:stop], written[at:stop]))
        at = stop + 1
    columns = {fold(_plain(each.written[0])): each for each in definitions if each.words[0] not in _CONSTRAINTS}
    return TableText(
        columns=frozenset(columns),
        collations={
            name: _plain(each.written[at + 1]).upper() for name, each in columns.items() for at in each.at("collate")
        },
        generated={name: each.within(at + 1) for name, each in columns.items() for at in each.at("as")},
        autoincrement=next((name for name, each in columns.items() if "autoincrement" in each.words), None),
        primary_key=next((each.name_before(at) for each in definitions for at in each.at("primary")), None),
        foreign_keys=tuple(key for each in definitions for key in _references(each)),
        uniques={names: unique for each in definitions for names, unique in _uniques(each)},
        checks=tuple(
            sorted(
                (
                    CheckConstraint(each.within(at + 1), each.name_before(at))
                    for each in definitions
                    for at in each.at("check")
                ),
                key=repr,
            )
        ),
        options=join(tokens[end + 1 :]).upper(),
    )


def with_sorted_constraints(sql: str) -> str:
    """Return the text of a `CREATE TABLE` with its constraints in the order of their names, after the columns.

    Alembic can write the constraints in a different order each time. A text with comments or with names in brackets
    stays as it is.
    """
    tokens = [] if _COMMENT_OR_BRACKET.search(sql) else pieces(sql)
    words = [each.word for each in tokens]
    if "(" not in words or words[1:2] == ["virtual"]:
        return sql
    start = words.index("(")
    at, parts = start + 1, list[tuple[str, str]]()
    for part in split(words[start + 1 : closing(words, start)]):
        parts.append((part[0], sql[tokens[at].start : tokens[at + len(part) - 1].end]))
        at += len(part) + 1
    columns = [text for word, text in parts if word not in _CONSTRAINTS]
    constraints = sorted(text for word, text in parts if word in _CONSTRAINTS)
    head, tail = sql[: tokens[start].end], sql[tokens[at - 1].start :]
    inner = ",\n\t".join([*columns, *constraints])
    return f"{head}\n\t{inner}\n{tail}"


def _outside(words: Iterable[str]) -> Iterator[str]:
    """Yield the words outside of parentheses, and an empty text for each word inside."""
    depth = 0
    for word in words:
        depth -= word == ")"
        yield "" if depth else word
        depth += word == "("


def _references(definition: _Clause) -> Iterator[KeyText]:
    """Yield the foreign keys in the definition of a column, or of a constraint."""
    words, name = definition.words, None
    for at, word in enumerate(words):
        if word == "foreign":
            name = definition.name_before(at)
        elif word == "references":
            rest = words[at + 1 :]
            rest = rest[: rest.index("references")] if "references" in rest else rest
            yield KeyText(name or definition.name_before(at), _deferral(rest))
            name = None


def _deferral(words: Sequence[str]) -> str:
    if "deferrable" not in words or words[words.index("deferrable") - 1] == "not":
        return ""
    is_late = words[words.index("deferrable") + 1 :][:2] == ["initially", "deferred"]
    return "DEFERRABLE INITIALLY DEFERRED" if is_late else "DEFERRABLE"


def _uniques(definition: _Clause) -> Iterator[tuple[tuple[str, ...], UniqueText]]:
    """Yield the unique constraints in a definition of a column or of a constraint."""
    for at in definition.at("unique"):
        start, end = at + 1, at + 1
        columns = definition.names(0, 1)
        if definition.words[start : start + 1] == ["("]:
            end = closing(definition.words, start) + 1
            columns = definition.names(start + 1, end - 1)
        is_conflict = definition.words[end : end + 2] == ["on", "conflict"]
        conflict = join(definition.tokens[end : end + 3]).upper() if is_conflict else ""
        yield columns, UniqueText(definition.name_before(at), conflict)


def _plain(written: str) -> str:
    """Return a name without its quotes."""
    quote = written[0]
    return written[1:-1].replace(quote * 2, quote) if quote in "\"`'" else written


def fold(name: str) -> str:
    """Return a name in the form in which SQLite compares it: only ASCII letters become lower case."""
    return name.encode().lower().decode()
