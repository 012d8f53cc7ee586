"""Renames a key in the JSON, which puts it behind the others."""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"
table = sa.table("t", sa.column("id", sa.Integer), sa.column("settings", sa.JSON))


def rename(old, new):
    bind = op.get_bind()
    for row in bind.execute(sa.select(table)).all():
        if row.settings and isinstance(row.settings, dict) and old in row.settings:
            changed = {**row.settings, new: row.settings[old]}
            del changed[old]
            bind.execute(table.update().where(table.c.id == row.id).values(settings=changed))


def upgrade():
    rename("a", "first")


def downgrade():
    rename("first", "a")
