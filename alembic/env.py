"""What Alembic runs around every command that meets a database or writes a revision.

The work is done by `antarest.migration.environment`, for `alembic` and for `inv db.*` alike. Which database it is says
the configuration file (ANTAREST_CONF, or `alembic -x config=PATH`); where the models are says `[antarest] metadata` in
`alembic.ini`.
"""

from __future__ import annotations

from alembic import context

from antarest.migration import environment

environment.run(context)
