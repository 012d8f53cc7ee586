"""Finds the values that the statements of revisions expect, from the sources of the revisions."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors.revision import Revision
from .json_shapes import last_name, shape_of

_TEXT = r"'((?:[^']|'')*)'"
_COMPARED = re.compile(rf"(\w+)[\"`\]]?\s*(?:=|<>|!=|\bI?LIKE\b|\bGLOB\b)\s*{_TEXT}", re.IGNORECASE)
_LISTED = re.compile(rf"(\w+)[\"`\]]?\s+(?:NOT\s+)?IN\s*\((\s*{_TEXT}(?:\s*,\s*{_TEXT})*)\s*\)", re.IGNORECASE)
_CASES = re.compile(r"\bCASE\s+[\"`\[]?(?:\w+\.)?(\w+)[\"`\]]?\s+(WHEN\b.*?)\bEND\b", re.IGNORECASE | re.DOTALL)
_WHEN = re.compile(rf"\bWHEN\s+{_TEXT}", re.IGNORECASE)
_PARSES = re.compile(r"json\.loads|\bjsonb?_\w+\s*\(|::\s*jsonb?\b|->>?|\bAS\s+JSONB?\b|\bJSONB?\b", re.IGNORECASE)
_COLUMN = r"(?:\w+\.)?[\"`\[]?(\w+)[\"`\]]?"
_READS_JSON = re.compile(
    rf"\bjsonb?_\w+\s*\(\s*{_COLUMN}\s*[,)]|{_COLUMN}\s*(?:::\s*jsonb?\b|->)|\bCAST\s*\(\s*{_COLUMN}\s+AS\s+JSONB?\b",
    re.IGNORECASE,
)
_MADE = re.compile(
    r"\b(?:CREATE\s+(?:\w+\s+)?(?:TABLE|VIEW)(?:\s+IF\s+NOT\s+EXISTS)?|RENAME\s+TO)\s+(?:\w+\.)?[\"`\[]?(\w+)",
    re.IGNORECASE,
)
_MAKERS = {"create_table", "rename_table", "Table"}
_PARSES_IN_PYTHON = re.compile(r"json\.loads|json_to_|from_json|parse_raw|model_validate_json")
_KINDS = {  # the kinds of text that a cast or a function can read, each with the names of types and functions
    "integer": "smallint|integer|int|bigint|int2|int4|int8",
    "number": "numeric|decimal|real|float|double precision|float4|float8|Decimal",
    "moment": "timestamp|timestamptz|date|fromisoformat|strptime",
    "truth": "boolean|bool",
    "uuid": "uuid|UUID",
}
_INNER = rf"(?:(?:NULLIF|B?TRIM)\s*\(\s*{_COLUMN}(?:\s*,\s*'[^']*')?\s*\)|{_COLUMN})"
_AS_TEXT = r"(?:\s*::\s*(?:text|varchar))?"
_NAMES = "|".join(_KINDS.values())
_CAST = re.compile(rf"{_INNER}{_AS_TEXT}\s*::\s*({_NAMES})\b|\bCAST\s*\(\s*{_INNER}\s+AS\s+({_NAMES})\b", re.IGNORECASE)
_DELETE = re.compile(r"\s*DELETE\b", re.IGNORECASE)
_KEYS = re.compile(r"(?:->>?\s*'|'\$\.)(\w+)'")
_ELEMENTS = re.compile(
    r"jsonb?_array_(?:elements(?:_text)?|length)\s*\([\s(]*[\w.\"]+[\s)]*(?:::\s*jsonb?\b[\s)]*)?(?:->\s*'(\w+)')?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d]\w*")
_METHODS = {"like", "ilike", "in_", "not_in", "notin_", "is_", "startswith", "endswith", "contains"}


@dataclass
class Hints:
    """The values that the revisions of a project expect.

    Attributes:
        literals: for each column, the texts with which statements compare the column.
        casts: for each column, the kind of value that a revision reads from the text in this column, such as "integer".
        shapes: for each column, JSON of the shape that a revision reads from the column. If a file parses JSON, each
            word in this file is taken for the name of such a column.
        parsed: for each revision that parses JSON, the words in its file, the JSON that its upgrade reads, and the JSON
            that its downgrade reads.
        labels: for each table and column, the labels of the enum that a revision has given to the column. The schema of
            a SQLite database does not contain these labels.
        made: the tables and views that the upgrades create.
        gone: for each table and column, the values (as `repr`) that an upgrade replaces in all rows.
        deleted: for each column and text, the ids of the revisions that delete the rows with this text in the column.
        written: for each table and column, the texts that upgrades write, each with the revision.
    """

    literals: dict[str, list[str]] = field(default_factory=dict)
    casts: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, Any] = field(default_factory=dict)
    parsed: dict[str, tuple[Collection[str], Any, Any]] = field(default_factory=dict)
    labels: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    gone: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    deleted: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    written: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, revisions: Iterable[Revision]) -> Hints:
        """Read the files of the revisions, and return the values that the revisions expect."""
        found, reads_json = cls(), set[str]()
        for each in revisions:
            with suppress(OSError, SyntaxError, ValueError):
                source = each.path.read_text(encoding="utf-8")
                found._read(each.id, source)
                reads_json |= {name for names in _READS_JSON.findall(source) for name in names}
        for column in found.literals.keys() & reads_json:  # Such a column can be compared with a part of its JSON.
            found.literals[column] = [text for text in found.literals[column] if _is_json(text)]
        return found

    def after(self, revisions: Collection[str]) -> Hints:
        """Return the hints for the rows of a database in which some revisions have run.

        Texts whose rows these revisions have deleted are left out. The JSON for a column has the shape that the upgrade
        of the next revision reads. If no later revision reads the column, the JSON has the shape that the downgrade of
        the last revision reads.

        Args:
            revisions: the ids of the revisions that have run.
        """
        left = {
            column: [text for text in texts if self.deleted.get((column, text), set()).isdisjoint(revisions)]
            for column, texts in self.literals.items()
        }
        then = [(columns, down) for id_, (columns, _, down) in self.parsed.items() if id_ in revisions]
        then += [(columns, up) for id_, (columns, up, _) in reversed(self.parsed.items()) if id_ not in revisions]
        shapes = dict(self.shapes)
        for columns, shape in then:
            shapes |= dict.fromkeys(columns, shape) if isinstance(shape, (dict, list)) else {}
        return replace(self, literals=left, shapes=shapes)

    def labels_of(self, table: str, column: str) -> tuple[str, ...]:
        """Return the enum labels of a column. If none are known, look for a column with the same name in other tables.

        The reason is that a revision may have renamed the table after the column got its labels.
        """
        if (table, column) in self.labels:
            return self.labels[table, column]
        same = {labels for (_, name), labels in self.labels.items() if name == column}
        return same.pop() if len(same) == 1 else ()

    def about(self, table: str, column: str) -> tuple[object, ...]:
        """Return everything that is known about a column."""
        gone = sorted(self.gone.get((table, column), ()))
        gone += sorted(self.written.get((table, column), ())) if gone else []
        of_column = (self.literals.get(column), self.casts.get(column), self.shapes.get(column))
        return self.labels_of(table, column), *of_column, gone

    def gives_json_away(self, source: str) -> bool:
        """Return whether a revision parses JSON but reads no key of the JSON. If so, other code reads the JSON."""
        return bool(_PARSES_IN_PYTHON.search(source)) and isinstance(shape_of(ast.parse(source)), str)

    def invents_json(self, words: Collection[str], columns: Iterable[str]) -> bool:
        """Return whether a revision names a column with JSON whose shape is not known from any revision.

        Args:
            words: the words in the source of the revision.
            columns: the columns with JSON.
        """
        return any(each in words and not isinstance(self.shapes.get(each), (dict, list)) for each in columns)

    def _read(self, id_: str, source: str) -> None:
        tree = ast.parse(source)
        upgrade = _without(source, tree, "downgrade")
        self.made |= {*_MADE.findall(upgrade), *_made(ast.parse(upgrade))}
        for column, text in _literals(tree):
            self.literals.setdefault(column, []).append(text)
        for column, text in _deleted(tree):
            self.deleted.setdefault((column, text), set()).add(id_)
        self.casts |= dict(_casts(tree))
        if _PARSES.search(source):
            columns, shape = dict.fromkeys(_WORD.findall(source)), _shape(source)
            shapes = (_shape(_without(source, tree, each)) for each in ("downgrade", "upgrade"))
            up, down = (each if isinstance(each, (dict, list)) else shape for each in shapes)
            self.parsed[id_] = (columns, up, down)
            self.shapes |= dict.fromkeys(columns, shape)


def _is_json(text: str) -> bool:
    with suppress(ValueError):
        json.loads(text)
        return True
    return False


def _shape(source: str) -> Any:
    """Return an example of the JSON that a revision reads, in Python or in SQL; "1" if the shape is not known."""
    shape, lists = shape_of(ast.parse(source)), _ELEMENTS.findall(source)
    keys: Any = dict.fromkeys(_KEYS.findall(source), "1") | {key: ["1"] for key in lists if key}
    if "" in lists and isinstance(shape, str):
        return [keys or "1"]
    if keys:
        return keys | shape if isinstance(shape, dict) else keys if isinstance(shape, str) else shape
    return shape


def _without(source: str, tree: ast.Module, function: str) -> str:
    """Return the source of a revision without one of its functions."""
    lines = source.splitlines()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            lines[node.lineno - 1 : node.end_lineno] = []
    return "\n".join(lines)


def _made(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node) in _MAKERS and not _is_read(node):
            yield from (text for each in node.args for text in _texts(each))


def _is_read(call: ast.Call) -> bool:
    """Return whether a `Table` is read from the database. If so, the revision does not create the table."""
    return any((each.arg or "").startswith("autoload") for each in call.keywords)


def _literals(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _in_sql(node.value)
        elif isinstance(node, ast.Compare):
            for each in node.comparators:
                yield from ((_column(node.left), text) for text in _texts(each))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            for each in node.args:
                yield from ((_column(node.func.value), _without_wildcards(text)) for text in _texts(each))


def _casts(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each column whose text is cast in SQL or converted in Python, with the kind of the value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for *columns, kind, one, other, of in _CAST.findall(node.value):
                yield next(filter(None, (*columns, one, other))), _kind(kind or of)
        elif isinstance(node, ast.Call) and node.args:
            call = last_name(node.func)
            kind = _kind(last_name(node.args[-1]) if call == "cast" else "" if call == "bool" else call)
            if kind and (column := _column(node.args[0])):
                yield column, kind


def _kind(name: str) -> str:
    return next((kind for kind, names in _KINDS.items() if name.lower() in names.lower().split("|")), "")


def _deleted(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each column, with each text to which a DELETE statement in the upgrade compares the column."""
    upgrades = (each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "upgrade")
    for node in (node for upgrade in upgrades for node in ast.walk(upgrade)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DELETE.match(node.value):
            yield from _in_sql(node.value)
        elif isinstance(node, ast.Call) and any(map(_is_delete, ast.walk(node))):
            yield from _literals(node)


def _is_delete(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and last_name(node) == "delete"


def _in_sql(text: str) -> Iterator[tuple[str, str]]:
    for found in _COMPARED.finditer(text):
        yield found[1], _without_wildcards(found[2].replace("''", "'"))
    for found in _LISTED.finditer(text):
        yield from ((found[1], each.replace("''", "'")) for each in re.findall(_TEXT, found[2]))
    for found in _CASES.finditer(text):
        yield from ((found[1], each.replace("''", "'")) for each in _WHEN.findall(found[2]))


def _column(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        is_about_engine = getattr(node.value, "attr", getattr(node.value, "id", "")) == "dialect"
        return "" if is_about_engine else node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):  # sa.column("name")
        return str(node.args[0].value)
    return node.id if isinstance(node, ast.Name) else ""


def _texts(node: ast.expr) -> list[str]:
    nodes = node.elts if isinstance(node, (ast.List, ast.Tuple, ast.Set)) else [node]
    return [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def _without_wildcards(pattern: str) -> str:
    """Return a text that matches a pattern of LIKE."""
    return pattern.replace("%", "x").replace("_", "x") if "%" in pattern else pattern
