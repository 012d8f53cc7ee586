"""Alembic runs this file for every command that uses a database or writes a revision.

`antarest.migration.environment` does the work, for `alembic` and for `inv db.*`. The configuration file names the
database (ANTAREST_CONF, or `alembic -x config=PATH`). `[antarest] metadata` in `alembic.ini` names the models.
"""

from __future__ import annotations

from alembic import context

from antarest.migration import environment

environment.run(context)
