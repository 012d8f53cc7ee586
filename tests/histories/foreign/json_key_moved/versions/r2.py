"""Moves the value of a key to another one, and back."""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"
table = sa.table("t", sa.column("id", sa.Integer), sa.column("settings", sa.JSON))


def upgrade():
    bind = op.get_bind()
    for row in bind.execute(sa.select(table)).all():
        data = row.settings
        if isinstance(data, dict) and "name" in data:
            data = {**data, "title": data["name"]}
            del data["name"]
            bind.execute(table.update().where(table.c.id == row.id).values(settings=data))


def downgrade():
    bind = op.get_bind()
    for row in bind.execute(sa.select(table)).all():
        data = row.settings
        if isinstance(data, dict) and "title" in data:
            data = {**data, "name": data["title"]}
            del data["title"]
            bind.execute(table.update().where(table.c.id == row.id).values(settings=data))
