"""Finds the possible effects of a PostgreSQL statement from the words in it and in the functions that it calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ...schema.sql import pieces
from .copies import outer

_HARMLESS = "CONSTRAINT|INDEX|DEFAULT|NOT|SEQUENCE|TRIGGER|VIEW|IDENTITY|EXPRESSION|FUNCTION"

# Actions on tables and columns
DROPS = re.compile(rf"\bDROP\s+(?!(?:{_HARMLESS})\b)", re.IGNORECASE)
TRUNCATES = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)
CHANGES_TABLES = re.compile(r"\b(?:ALTER|DROP|TRUNCATE|CLUSTER)\b", re.IGNORECASE)  # columns, names or files
MAKES_TABLES = re.compile(r"\bCREATE\b[^;]*\bTABLE\b", re.IGNORECASE)
LINKS_TABLES = re.compile(r"\b(?:REFERENCES|PARTITION|INHERITS?)\b", re.IGNORECASE)
DEFINES = re.compile(r"\b(?:FUNCTION|PROCEDURE|TRIGGER|RULE|VIEW|RENAME)\b", re.IGNORECASE)
# Actions on rows and values
READS = re.compile(r"\b(?:SELECT|COPY|RETURNING)\b|(?<!CREATE\s)(?<!ALTER\s)(?<!DROP\s)\bTABLE\b", re.IGNORECASE)
COPIES = re.compile(r"\bINTO\b|\bUPDATE\b|\bCREATE\b.*\bTABLE\b.*\bAS\b", re.IGNORECASE | re.DOTALL)  # what was read
INSERTS = re.compile(r"\b(?:INSERT|MERGE|COPY)\b", re.IGNORECASE)
RETURNS = re.compile(r"\bRETURNING\b", re.IGNORECASE)
DELETES = re.compile(r"(?<!\bON\s)\bDELETE\b", re.IGNORECASE)
UPDATES = re.compile(r"(?<!\bON\s)(?<!\bFOR\s)(?<!\bKEY\s)\bUPDATE\b|\bTYPE\b.*\bUSING\b", re.IGNORECASE | re.DOTALL)

_READS_BY_NAME = re.compile(r"\b(?:SELECT|RETURNING)\b", re.IGNORECASE)
_PLAIN = re.compile(r"\s*(?:ALTER|UPDATE|INSERT)\b[^;]*;?\s*", re.IGNORECASE)
_LITERALS = re.compile(
    r"\$(\w*)\$.*?\$\1\$|\bE'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.IGNORECASE | re.DOTALL
)
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_TABLE = rf"(?:ONLY\s+)?{_NAME}(?:\s*\.\s*{_NAME})?(?:\s*\*)?"
_ON_TABLES = re.compile(
    rf"\s*(?P<verb>DROP\s+TABLE|ALTER\s+TABLE|TRUNCATE)(?:\s+TABLE)?(?:\s+IF\s+EXISTS)?"
    rf"\s+(?P<tables>{_TABLE}(?:\s*,\s*{_TABLE})*)(?P<rest>(?:\s[^;]*)?);?\s*",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    rf"\s*(?:UPDATE|INSERT\s+INTO)\s+(?:ONLY\s+)?(?:(?P<schema>{_NAME})\s*\.\s*)?(?P<name>{_NAME})", re.IGNORECASE
)
_NOT_READ = re.compile(r"[$\\]|\bU&", re.IGNORECASE)  # Values and names with these are not parsed.
_SPELT = re.compile(r'\bU&"', re.IGNORECASE)  # a name with escapes, such as U&"p\\0061th"
_FILLED = re.compile(r"\d[\d.]*|true|false|'(?!\s*null\s*').*[^' ].*'", re.DOTALL)  # a value that is not empty
_ONLY_DEFINES = re.compile(
    r"\s*(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+|EVENT\s+)?(?:FUNCTION|PROCEDURE|TRIGGER|RULE|VIEW)"
    r"|GRANT|REVOKE|COMMENT)\b[^;]*;?\s*",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"(?:ONLY\s+)?(?:(?P<schema>{_NAME})\s*\.\s*)?(?P<name>{_NAME})", re.IGNORECASE)
_DROPS_NO_DATA = re.compile(r"\s*DROP\s+(?!TABLE\b|OWNED\b)(?![^;]*\bCASCADE\b)[^;]*;?\s*", re.IGNORECASE)
RETYPES = re.compile(rf"\bALTER\s+(?:COLUMN\s+)?{_NAME}\s+(?:SET\s+DATA\s+)?TYPE\b", re.IGNORECASE)
RUNS_TEXT = re.compile(r"\bEXECUTE\b(?!\s+(?:FUNCTION|PROCEDURE|ON)\b)", re.IGNORECASE)
# Parts of ALTER TABLE that need a weaker lock than ACCESS EXCLUSIVE, or that also lock other tables.
_LOCKS_LESS = re.compile(
    r"\b(?:CONSTRAINT|FOREIGN|PRIMARY|UNIQUE|CHECK|EXCLUDE|REFERENCES|ATTACH|DETACH|TRIGGER|STATISTICS|CLUSTER)\b|\bSET\s*\(",
    re.IGNORECASE,
)
_NO_ATTEMPT = re.compile(r"\b(?:SAVEPOINT|RELEASE|ROLLBACK|PREPARE)\b", re.IGNORECASE)  # No rollback undoes PREPARE.
_ATOMIC = re.compile(r"\bBEGIN\s+ATOMIC\b.*?;\s*END\b", re.IGNORECASE | re.DOTALL)
_ENDS = re.compile(
    r"(?:^|;)\s*(?:COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class OnTables:
    """The tables of a statement that drops, alters or truncates tables.

    Attributes:
        verb: "DROP", "ALTER" or "TRUNCATE"; empty for any other statement.
        tables: the schema and the name of each table that the statement locks with ACCESS EXCLUSIVE. The schema is
            empty if the statement names none.
        takes: whether the statement can remove data from these tables.
    """

    verb: str
    tables: tuple[tuple[str, str], ...]
    takes: bool = True


@dataclass(frozen=True)
class Statement:
    """A statement, and the words in it that show its effects. A word found by mistake only makes the run slower.

    Attributes:
        written: the text that is sent to the server.
        called: the definitions of the functions, views, triggers and rules that the statement calls.
    """

    written: str
    called: tuple[str, ...] = ()

    @classmethod
    def of(cls, written: str, definitions: Mapping[str, str]) -> Statement:
        """Return a statement with the definitions of the objects that it calls, also through other definitions."""
        words, left, called = _words(written), dict(definitions), []
        while found := [name for name in left if words >= _words(name)]:
            called += [left.pop(name) for name in found]
            words.update(*map(_words, called))
        return cls(written, tuple(called))

    @cached_property
    def text(self) -> str:
        """The text of the statement, and of all definitions that it calls."""
        return "\n".join([self.written, *self.called])

    @cached_property
    def _all_words(self) -> set[str]:
        return _words(self.text)

    def names(self, name: str) -> bool:
        """Return whether the statement may refer to this table or column."""
        return self._all_words >= _words(name)

    def can_read(self, column: str) -> bool:
        """Return whether the statement can read this column, if it names the table of the column."""
        return self.names(column) or "*" in self.text or not _READS_BY_NAME.search(self.text)

    @cached_property
    def changes(self) -> tuple[str, str] | None:
        """The schema and the name of the only table in which the statement changes values; None if this is unclear."""
        found = _CHANGES.match(self.written) if self.is_plain else None
        return (_folded(found["schema"]), _folded(found["name"])) if found else None

    def can_take(self, column: str) -> bool:
        """Return whether the statement can set values of this column, in the table that it changes, to NULL or ''."""
        if not self.changes or self._assigned is None:
            return self.names(column)
        return any(_words(target) >= _words(column) for target in self._assigned)

    @cached_property
    def _assigned(self) -> list[str] | None:
        """The columns that an UPDATE may set to NULL or an empty text; None if its text is not understood."""
        parts = pieces(self.written.rstrip().rstrip(";"))
        words = [part.word for part in parts]
        places = outer(words)
        begins = [at for at in places if words[at] == "set"] or [len(words)]
        if _NOT_READ.search(self.written) or len(begins) > 1:
            return None
        after = (at for at in places if at > begins[0] and words[at] in {"from", "where", "returning"})
        end = next((at for at in after if words[at - 1] != "distinct"), len(words))
        commas = [at for at in places if begins[0] < at < end and words[at] == ","]
        found = []
        for start, stop in zip([*begins, *commas], [*commas, end], strict=True):
            equals = next((at for at in places if start < at < stop and words[at] == "="), stop)
            if equals + 2 != stop or not _FILLED.fullmatch(words[equals + 1]):
                found += [self.written[part.start : part.end] for part in parts[start + 1 : equals]]
        return found

    @cached_property
    def _without_literals(self) -> str:
        return _LITERALS.sub(" ", self.written)

    @cached_property
    def _without_bodies(self) -> str:
        return _ATOMIC.sub(" ", self._without_literals)

    @property
    def only_defines(self) -> bool:
        """Whether the statement only defines objects or grants rights. The text of a function runs later."""
        return bool(_ONLY_DEFINES.fullmatch(self._without_bodies))

    def does(self, *actions: re.Pattern[str]) -> bool:
        """Return whether the statement does one of these actions, such as `DROPS`."""
        return any(action.search(self.text) for action in actions)

    @cached_property
    def on_tables(self) -> OnTables | None:
        """The tables that the statement drops, truncates or rewrites; None if its text does not name all of them."""
        if found := _ON_TABLES.fullmatch(self.written):
            verb, rest = found["verb"].upper().split()[0], found["rest"]
            is_open = re.search(r"\bCASCADE\b", rest, re.IGNORECASE) and verb != "TRUNCATE"
            names = [(_folded(each["schema"]), _folded(each["name"])) for each in _NAMED.finditer(found["tables"])]
            if verb == "ALTER" and not DROPS.search(rest) and not RETYPES.search(rest):
                return OnTables(verb, () if _LOCKS_LESS.search(rest) else tuple(names), takes=False)
            if not is_open and not (verb == "TRUNCATE" and self.called):
                return OnTables(verb, tuple(names))
        elif not self.does(DROPS, TRUNCATES, RETYPES, RUNS_TEXT) or _DROPS_NO_DATA.fullmatch(self.written):
            return OnTables("", ())
        return None

    @property
    def can_run_in_savepoint(self) -> bool:
        """Whether the statement can run in a savepoint, and the rollback to the savepoint undoes it."""
        return not _NO_ATTEMPT.search(self._without_literals)

    @property
    def ends_transaction(self) -> bool:
        """Whether the statement commits or rolls back."""
        return bool(_ENDS.search(self._without_bodies))

    @property
    def runs_other_text(self) -> bool:
        """Whether the statement runs SQL that it does not contain: that of a function, or a text that it computes."""
        return bool(self.called) or self.does(RUNS_TEXT)

    @property
    def is_plain(self) -> bool:
        """Whether the statement names every column from which it removes values."""
        return bool(_PLAIN.fullmatch(self.written)) and not self.called and not _SPELT.search(self.written)


def _folded(name: str | None) -> str:
    """Return a name that stands in a statement as the catalog stores it: without quotes, or in lower case."""
    if name and name.startswith('"'):
        return name[1:-1].replace('""', '"')
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), name or "")  # The server leaves other letters as they are.


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
