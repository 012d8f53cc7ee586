"""Compares the proofs of one revision on both engines: schemas, names, rows, and reactions to changes of rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors.settings.urls import ENGINES
from ..schema.compare import Difference
from ..schema.inventory import Inventory, Table
from ..schema.parity import parity
from .findings import integrity
from .findings.behaviour import differing_behaviour
from .findings.finding import Finding
from .findings.kinds import Severity
from .findings.proof import Proof
from .findings.row_values import differing_values
from .target import Target

_LONGEST_NAME = 63  # bytes; https://www.postgresql.org/docs/current/sql-syntax-lexical.html
_WITH_A_ZONE = ("TIMESTAMP WITH TIME ZONE", "INTERVAL")
_VARCHAR = re.compile(r"VARCHAR(?:\((\d+)\))?")


@dataclass
class EngineComparison:
    """Compares the engines, and remembers the differences of earlier revisions, to report each difference only once.

    Attributes:
        known: the differences that were already reported, or that existed before the first revision to prove.
        names: the names of objects that the comparison has already seen.
        reactions: how the engines' reactions to changes of rows differ before the first revision to prove.
        latest: the differences after the revision that was compared before.
        tables: the tables after that revision.
        renamed: for each difference in a renamed table, the same difference under the first name of the table.
    """

    known: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    reactions: set[str] = field(default_factory=set)
    latest: dict[str, Difference] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)

    def compare(self, sqlite: Proof, postgresql: Proof, target: Target) -> tuple[list[Finding], set[str] | None]:
        """Compare the proofs of one revision.

        Args:
            sqlite: the proof on SQLite.
            postgresql: the proof on PostgreSQL.
            target: the project.

        Returns:
            The findings, and all differences between the schemas after this revision, also under the earlier names of
            their tables. The differences are None if one of the schemas is not known.
        """
        revision, found = sqlite.revision, list[Finding]()
        if sqlite.before and postgresql.before:
            self._remember(_differences(sqlite.before, postgresql.before), sqlite.before)
            self.names |= integrity.names(sqlite.before)
        reactions = differing_behaviour(sqlite.behaviour, postgresql.behaviour)
        if revision:  # These are the reactions before the first revision to prove.
            self.reactions |= {*reactions}
        else:
            found += [Finding.of("V602", each) for each in reactions if each not in self.reactions]
        if sqlite.schema is None or postgresql.schema is None:
            return found, None
        found += self._long_names(revision, sqlite.schema, postgresql.schema)
        self._follow(differences := _differences(sqlite.schema, postgresql.schema), sqlite.schema)
        found += [
            Finding.of(
                "V601",
                text,
                revision,
                severity=_severity(each, is_own=target.is_own),
                item=each.path,
                table=each.table,
            )
            for each in differences
            if (text := _text(each)) not in self.known and not (_is_enum(each) and not target.is_own)
        ]
        self._remember(differences, sqlite.schema)
        found += _other_rows(sqlite, postgresql, {each.path for each in differences})
        return found, {*self.latest, *(self.renamed[text] for text in self.latest if text in self.renamed)}

    def _remember(self, differences: Iterable[Difference], schema: Inventory) -> None:
        self.latest, self.tables = {_text(each): each for each in differences}, {*schema.tables}
        self.known |= self.latest.keys()

    def _follow(self, differences: Iterable[Difference], schema: Inventory) -> None:
        """Recognise the differences in tables that the revision has renamed. These differences are not new."""
        left = {_without_table(each): text for text, each in self.latest.items() if each.table not in schema.tables}
        for each in differences:
            if each.table not in self.tables and (old := left.get(_without_table(each))):
                self.renamed[_text(each)] = self.renamed.get(old, old)
                self.known.add(_text(each))

    def _long_names(self, revision: str, sqlite: Inventory, postgresql: Inventory) -> Iterator[Finding]:
        """Yield findings about names that PostgreSQL has cut because they are too long.

        Names that SQLAlchemy itself has shortened are not findings.
        """
        theirs = integrity.names(postgresql)
        for name in sorted(integrity.names(sqlite) - self.names):
            if len(name.encode()) > _LONGEST_NAME and name not in theirs and _shortened(name) not in theirs:
                yield Finding.of("V104", name, revision, item=name)
        self.names |= integrity.names(sqlite)


def _other_rows(sqlite: Proof, postgresql: Proof, different: Collection[str]) -> Iterator[Finding]:
    """Yield findings about columns with different values on the two engines, except the columns in `different`."""
    for column, text in differing_values(sqlite.rows, postgresql.rows) if sqlite.rows and postgresql.rows else ():
        if column not in different:
            yield Finding.of("V603", text, sqlite.revision, item=column, table=column.rpartition(".")[0])


def _differences(sqlite: Inventory, postgresql: Inventory) -> list[Difference]:
    return parity(_with_short_names(sqlite, integrity.names(postgresql)), postgresql)


def _without_table(each: Difference) -> str:
    """Return the difference as a text that does not change if the table of the difference is renamed."""
    return repr(replace(each, table="", path=each.path.removeprefix(each.table)))


def _text(difference: Difference) -> str:
    return difference.render(*ENGINES.values())


def _severity(each: Difference, *, is_own: bool) -> Severity:
    """Return the severity of a difference.

    In a project that has not adopted the workflow, a PostgreSQL type with a time zone is only a note, because
    SQLite cannot store time zones.
    """
    is_zone = each.aspect == "type" and each.after in _WITH_A_ZONE and not is_own
    return "note" if is_zone or each.is_name_only or _is_enum(each) else "error"


def _is_enum(each: Difference) -> bool:
    """Return whether `sa.Enum` can create both types: an enum on PostgreSQL, and a long enough VARCHAR on SQLite."""
    if each.aspect != "type" or not str(each.after).startswith("ENUM("):
        return False
    found = _VARCHAR.fullmatch(str(each.before))
    longest = max(map(len, str(each.after)[5:-1].split(", ")))
    return bool(found) and int(found[1] or longest) >= longest if found else False


def _shortened(name: str) -> str:
    """Return the short name that SQLAlchemy makes from a name that is too long for PostgreSQL."""
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{name[: _LONGEST_NAME - 8]}_{digest[-4:]}"


def _with_short_names(schema: Inventory, theirs: set[str]) -> Inventory:
    """Return the schema of SQLite with the names that SQLAlchemy gives to the same objects on PostgreSQL.

    Args:
        schema: the schema of SQLite.
        theirs: the names in the schema of PostgreSQL.
    """
    long = {name: _shortened(name) for name in integrity.names(schema) if len(name) > _LONGEST_NAME}
    short = {name: other for name, other in long.items() if other in theirs}
    if not short:
        return schema
    return replace(schema, tables={name: _renamed(table, short) for name, table in schema.tables.items()})


def _renamed(table: Table, short: Mapping[str, str]) -> Table:
    def rename(each: Any) -> Any:
        return replace(each, name=short.get(each.name, each.name))

    parts: dict[str, Any] = {
        part: tuple(rename(each) for each in getattr(table, part))
        for part in ("foreign_keys", "uniques", "checks", "indexes")
    }
    return replace(table, **parts)
