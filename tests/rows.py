"""Values for generated rows that the schema does not show: JSON texts, flags, and kinds of joined tables.

`ROWS` maps a revision to values by "table.column". An entry is valid from its revision on, until a later revision has
an entry for the same column, or drops the column. An empty list ends the entry. `values_at` returns the values for a
database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROWS: dict[str, dict[str, list[object]]] = {
    "7c1f0e5ab284": {
        "identities.type": ["users", "users_ldap", "bots"],
        # A flag that is stored as an integer.
        "bots.is_author": [0, 1],
    },
    "b3d94a6e7f10": {"study.type": ["rawstudy"], "study.version": ["700", "860", "9.2"]},
    "2ed6bf9f1690": {"taskjob.result": [None, '{"success": true, "message": ""}', '{"success": false}']},
    "95b7e1c0d34f": {
        "study.type": ["rawstudy", "variantstudy"],
        "commandblock.index": [0, 1, 2, 3],
        "commandblock.args": ['{"area_name": "fr"}', '{"link": ["be", "fr"], "capacity": 1500.5}', "{}"],
    },
    "d8a4731be60c": {"configdata.value": ["true", '{"mode": "maintenance"}', '"été"']},
    # From here on the column is a boolean again, which needs no values.
    "6a93d7e2f05b": {"bots.is_author": []},
    "270fb8e94d1a": {
        # The lists have the order in which the downgrade writes them. Studies share tags, and some have none.
        "study.tags": [
            '["2030", "winter"]',
            '["winter"]',
            "[]",
            '["2030", "a, b", "quoted \\"x\\" and back\\\\slash"]',
            '["Winter", "hiver", "winter", "été"]',
            '[""]',
        ],
    },
    "d56b40e9c7a3": {"job_result.solver_stats": [None, '{"iterations": 42, "objective": -1.5e9}']},
}


def values_at(revisions: Iterable[str]) -> dict[str, list[object]]:
    """Return the values to draw from, by "table.column", for a database with these revisions.

    Args:
        revisions: the applied revisions, from base to the current one.
    """
    values: dict[str, list[object]] = {}
    for revision in revisions:
        values |= ROWS.get(revision, {})
    return {column: drawn for column, drawn in values.items() if drawn}
