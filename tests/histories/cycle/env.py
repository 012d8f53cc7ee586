from alembic import context

from antarest.migration import environment

environment.run(context)
