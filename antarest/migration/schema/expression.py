"""Gives an expression the same spelling on both engines. Casts and needless parentheses do not matter.

PostgreSQL keeps an expression as a tree, and prints it in its own way (`(kind)::text = ANY (ARRAY[...])`). SQLite keeps
the text as it was written (`kind IN (...)`). This module parses both spellings by precedence, and prints
them with all parentheses. An expression that the parser does not understand is compared as normalised text.
"""

from __future__ import annotations

import re

from .sql import join, tokenise

_TYPE_WORDS = {"varying", "precision", "without", "with", "time", "zone"}
_NUMBERS = {"smallint", "integer", "bigint", "numeric", "real", "double"}
_QUOTED_NUMBER = re.compile(r"'-?\d+(\.\d+)?'")
_SYNONYMS = {"!=": "<>", "==": "=", "~~": "like", "!~~": "not like", "true": "1", "false": "0"}
_JSON_PATHS = (  # As SQLAlchemy writes an element of JSON on each engine: its path is in the second group.
    re.compile(r"cast\s*\(\s*json_extract\s*\(\s*([\w\"]+)\s*,\s*'\$\.([^']+)'\s*\)\s*as\s+\w+\s*\)", re.IGNORECASE),
    re.compile(r"json_extract\s*\(\s*([\w\"]+)\s*,\s*'\$\.([^']+)'\s*\)", re.IGNORECASE),
    re.compile(r"([\w\"]+)\s*#\s*>\s*>\s*'\{([^']+)\}'(?:::text\[\])?"),
    re.compile(r"([\w\"]+)\s*->>\s*'([^'$]+)'(?:::text)?"),
)
_PRECEDENCE = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("=", "<>", "<", ">", "<=", ">=", "like", "not like", "is", "in", "not", "between"), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
    **dict.fromkeys(("||", "->", "->>"), 7),
}
_NOT, _COMPARISON, _UNARY = 3, 4, 8


class _UnknownSyntaxError(Exception):
    """The parser does not understand the syntax of an expression."""


def canonical(sql: str) -> str:
    """Return an expression in the spelling that both engines share."""
    for pattern in _JSON_PATHS:
        sql = pattern.sub(_json_element, sql)
    tokens = _without_casts(tokenise(sql))
    try:
        return _ExpressionParser(tokens).parse().replace(_SEPARATOR, ", ")
    except _UnknownSyntaxError:
        return join(tokens)


def _json_element(found: re.Match[str]) -> str:
    path = ".".join(found[2].replace('"', "").replace(",", ".").split("."))
    return f"json_element({found[1]}, '{path}')"


def _without_casts(tokens: list[str]) -> list[str]:
    """Return the tokens without casts. A cast is `::` and a type, such as `::character varying(10)[]`."""
    kept: list[str] = []
    position = 0
    while position < len(tokens):
        if tokens[position] != "::":
            kept.append(_SYNONYMS.get(tokens[position], tokens[position]))
            position += 1
            continue
        if tokens[position + 1] in _NUMBERS and _QUOTED_NUMBER.fullmatch(kept[-1]):
            kept[-1:] = tokenise(kept[-1][1:-1])
        position += 2
        while tokens[position : position + 1] == ["."]:
            position += 2
        while position < len(tokens) and (tokens[position] in _TYPE_WORDS or tokens[position] in {"(", "["}):
            position += tokens[position:].index({"(": ")", "[": "]"}.get(tokens[position], tokens[position])) + 1
    return kept


class _ExpressionParser:
    """A parser of expressions by precedence. Each method returns the text of the part that it has read."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]
        self._position = 0

    def parse(self) -> str:
        text = self._expression(0)
        if self._next:
            raise _UnknownSyntaxError
        return text

    @property
    def _next(self) -> str:
        return self._tokens[self._position]

    def _take(self, expected: str | None = None) -> str:
        token = self._next
        if not token or expected not in (None, token):
            raise _UnknownSyntaxError
        self._position += 1
        return token

    def _expression(self, binding: int) -> str:
        left = self._operand()
        while _PRECEDENCE.get(self._next, 0) > binding:
            left = self._operation(left, self._take())
        return left

    def _operation(self, left: str, operator: str) -> str:
        if operator == "not":
            operator = f"not {self._take()}"
        if operator in {"in", "not in"}:
            return _membership(left, operator, self._list("(", ")"))
        if operator == "between":
            low = self._expression(_COMPARISON)
            self._take("and")
            return f"(({left} >= {low}) and ({left} <= {self._expression(_COMPARISON)}))"
        if operator == "is" and self._next == "not":
            operator = f"is {self._take()}"
        right = self._expression(_PRECEDENCE.get(operator, _COMPARISON))
        for shape, word in (("= any(array[", "in"), ("<> all(array[", "not in")):
            if f"{operator} {right}".startswith(shape):
                return _membership(left, word, right[right.index("[") + 1 : -2].split(_SEPARATOR))
        return f"({left} {operator} {right})"

    def _operand(self) -> str:
        word = self._take()
        if word == "(":
            inner = self._expression(0)
            self._take(")")
            return inner
        if word == "not":
            return f"(not {self._expression(_NOT)})"
        if word in {"-", "+"}:
            return f"{word}{self._expression(_UNARY)}"
        if word == "array":
            return f"array[{_SEPARATOR.join(self._list('[', ']'))}]"
        if word[0] not in "'\"" and not word[0].isalnum() and word[0] != "_":
            raise _UnknownSyntaxError
        if self._next == "(" and (word[0].isalpha() or word[0] == "_"):
            return f"{word}({_SEPARATOR.join(self._list('(', ')'))})"
        return word

    def _list(self, opening: str, closing: str) -> list[str]:
        self._take(opening)
        items: list[str] = []
        while self._next != closing:
            items.append(self._expression(0))
            if self._next != closing:
                self._take(",")
        self._take(closing)
        return items


# Between the items of a list. No token holds a NUL, so a literal with a comma in it stays one item.
_SEPARATOR = ",\0"


def _membership(left: str, operator: str, items: list[str]) -> str:
    if len(items) == 1:
        return f"({left} {'=' if operator == 'in' else '<>'} {items[0]})"
    return f"({left} {operator} ({_SEPARATOR.join(items)}))"
