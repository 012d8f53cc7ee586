"""Adds a small copy of the checkout to the wheel, with its migrations and `alembic.ini`.

The copy is inside the package, because a folder `alembic/` in site-packages would be mixed with the library Alembic.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MIRROR = "antarest/_alembic"
MIRRORED = {
    "alembic.ini": "alembic.ini",
    "alembic": "alembic",
    "scripts/rollback.sh": "scripts/rollback.sh",
    "resources/installed.yaml": "resources/application.yaml",
}


class MirrorHook(BuildHookInterface[Any]):
    """Adds the copy. An editable installation needs no copy, because it uses the checkout itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds a wheel; `version` is `standard` or `editable`."""
        if version != "editable":
            build_data["force_include"] |= {source: f"{MIRROR}/{target}" for source, target in MIRRORED.items()}
