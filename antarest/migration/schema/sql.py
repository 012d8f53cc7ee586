"""Splits SQL into tokens, to read the definitions that engines keep as text, and to compare expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

# The operators of several characters, the longer ones first.
_LONG = (
    "!~~* <<= >>= <<| |>> &<| |&> -|- <-> ->> #>> !~~ ~~* !~* :: <> != <= >= == || -> #> #- !~ ~~ ~* @> <@ @@ @? ?| ?& "
    "&& &< &> << >> ^@"
)
_OPERATORS = "|".join(map(re.escape, _LONG.split()))
_TOKEN = re.compile(
    rf"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
  | (?P<space>   \s+ )
  | (?P<token>   '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*`
               | \d+(?:\.\d+)?(?:[eE][+-]?\d+)?
               | \w+
               | {_OPERATORS} | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_WORD = re.compile(r"\w+|\".*\"")
_NEVER_SPACED = {")", "]", ",", ".", "[", "::"}
_BEFORE_SPACE = re.compile(r"include|in|and|or|not|any|all|as|on|when|then|else|from|where|is|like")
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")


class IndexText(NamedTuple):
    """The parts of a `CREATE INDEX` statement."""

    keys: tuple[str, ...]
    unique: bool
    where: str | None
    options: str


def tokenise(sql: str) -> list[str]:
    """Return the tokens of a text: words in lower case, plain identifiers without quotes, and no comments."""
    return [_token(match["token"]) for match in _TOKEN.finditer(sql) if match["token"]]


def as_written(sql: str) -> list[str]:
    """Return the tokens of a text unchanged, so that a quoted name differs from a keyword of SQL."""
    return [match["token"] for match in _TOKEN.finditer(sql) if match["token"]]


class Piece(NamedTuple):
    """A token with its position in the text.

    Attributes:
        word: the token as it is written, in lower case. A quoted name differs from a keyword of SQL.
        name: the identifier that the token stands for.
        start: the position of the first character of the token.
        end: the position after the last character of the token.
    """

    word: str
    name: str
    start: int
    end: int


def pieces(sql: str) -> list[Piece]:
    """Return the tokens of a text with their positions."""
    found = [match for match in _TOKEN.finditer(sql) if match["token"]]
    return [Piece(match[0].lower(), name_of(_token(match[0])), match.start(), match.end()) for match in found]


def _token(text: str) -> str:
    if text[0] in '"`':
        name = text[1:-1].replace(text[0] * 2, text[0])
        return name if _PLAIN_NAME.fullmatch(name) else f'"{name}"'
    return text if text[0] == "'" else text.lower()


def join(tokens: Iterable[str]) -> str:
    """Return the tokens as one text, with single spaces, but with none after an opening or before a closing bracket."""
    text = previous = ""
    for token in tokens:
        tight = not text or text[-1] in "([." or token in _NEVER_SPACED or text.endswith("::")
        call = token.startswith("(") and _WORD.fullmatch(previous) and not _BEFORE_SPACE.fullmatch(previous)
        text += token if tight or call else f" {token}"
        previous = token
    return text


def normalise(sql: str) -> str:
    """Return the text in one spelling, whatever its white space, quotes and case are."""
    return join(tokenise(sql))


def name_of(token: str) -> str:
    """Return the identifier that a token stands for."""
    return token[1:-1] if token[:1] == '"' else token


def with_quotes(sql: str, name: str) -> str:
    """Return the text with the name of a column quoted, because the name can be a keyword. Types are not quoted."""
    quoted = '"' + name.replace('"', '""') + '"'
    parts: list[str] = []
    for match in _TOKEN.finditer(sql):
        is_column = match["token"] and name_of(_token(match["token"])) == name and parts[-1:] != ["::"]
        parts.append(quoted if is_column else match[0])
    return "".join(parts)


def split(tokens: Sequence[str], separator: str = ",") -> Iterator[list[str]]:
    """Yield the parts between separators. Separators in parentheses do not count."""
    part: list[str] = []
    depth = 0
    for token in tokens:
        depth += (token in _OPENING) - (token in _CLOSING)
        if token == separator and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def closing(tokens: Sequence[str], start: int) -> int:
    """Return the position of the closing parenthesis for the opening parenthesis at `start`."""
    depth = 0
    for position in range(start, len(tokens)):
        depth += (tokens[position] in _OPENING) - (tokens[position] in _CLOSING)
        if depth == 0:
            return position
    return len(tokens)


def parse_index(sql: str) -> IndexText:
    """Return the parts of a `CREATE INDEX` statement, as SQLite keeps it or as PostgreSQL prints it."""
    tokens = tokenise(sql)
    start = tokens.index("(")
    end = closing(tokens, start)
    head, rest = tokens[:start], tokens[end + 1 :]
    where = None
    if "where" in rest:
        where = join(rest[rest.index("where") + 1 :])
        rest = rest[: rest.index("where")]
    using = head[head.index("using") :] if "using" in head else []
    options = rest if using in ([], ["using", "btree"]) else using + rest
    keys = [part[:-1] if part[-1] == "asc" else part for part in split(tokens[start + 1 : end])]
    return IndexText(tuple(join(key) for key in keys), "unique" in head[:2], where, join(options))
