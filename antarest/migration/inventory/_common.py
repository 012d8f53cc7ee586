"""What the reflection of both engines shares: SQLAlchemy's inspector in bulk, turned into the words of `schema`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Inspector

from antarest.migration.inventory.schema import ForeignKey, PrimaryKey
from antarest.migration.inventory.sql import normalise


@dataclass(frozen=True)
class Keys:
    """The keys of one table."""

    primary_key: PrimaryKey | None
    foreign_keys: tuple[ForeignKey, ...]


def keys_of(inspector: Inspector, options: Mapping[tuple[str, str | None], str]) -> dict[str, Keys]:
    """The primary and foreign keys of every table, in two bulk reflections.

    Not the checks: what the inspector reads of them, and which it warns of, depends on the version of SQLAlchemy.

    Args:
        inspector: of a connection, not used before.
        options: what the inspector does not tell of a constraint, by table and constraint name.
    """
    primary_keys = inspector.get_multi_pk_constraint()
    foreign_keys = inspector.get_multi_foreign_keys()
    tables = defaultdict(lambda: Keys(None, ()))
    for key, found in primary_keys.items():
        table = key[1]
        tables[table] = Keys(
            _primary_key(found, options.get((table, found.get("name")), "")),
            tuple(sorted((_foreign_key(each, options, table) for each in foreign_keys[key]), key=repr)),
        )
    return tables


def computed(column: Mapping[str, Any], expression: str = "") -> str | None:
    """The expression of a generated column, and whether it is stored; another one where the inspector has none."""
    generated = column.get("computed")
    if generated is None:
        return None
    return f"{normalise(generated['sqltext']) or expression} {'stored' if generated.get('persisted') else 'virtual'}"


def _primary_key(found: Mapping[str, Any], options: str) -> PrimaryKey | None:
    columns = tuple(found["constrained_columns"])
    return PrimaryKey(columns, found.get("name"), options) if columns else None


def _foreign_key(found: Mapping[str, Any], options: Mapping[tuple[str, str | None], str], table: str) -> ForeignKey:
    pairs = sorted(zip(found["constrained_columns"], found["referred_columns"], strict=True))
    schema = found.get("referred_schema")
    actions = found["options"]
    return ForeignKey(
        columns=tuple(column for column, _ in pairs),
        referred_table=f"{schema}.{found['referred_table']}" if schema else found["referred_table"],
        referred_columns=tuple(column for _, column in pairs),
        name=found["name"],
        on_update=actions.get("onupdate") or "NO ACTION",
        on_delete=actions.get("ondelete") or "NO ACTION",
        options=options.get((table, found["name"]), "") or _deferral(actions),
    )


def _deferral(actions: Mapping[str, Any]) -> str:
    deferrable, initially = actions.get("deferrable"), actions.get("initially")
    if not deferrable:
        return ""
    return "DEFERRABLE INITIALLY DEFERRED" if initially == "DEFERRED" else "DEFERRABLE"
