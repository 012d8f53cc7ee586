"""Renames a key in the JSON, and drops all other keys."""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"
table = sa.table("t", sa.column("id", sa.Integer), sa.column("settings", sa.JSON))


def upgrade():
    bind = op.get_bind()
    for row in bind.execute(sa.select(table)).all():
        settings = row.settings
        if isinstance(settings, dict) and settings.get("name"):
            changed = {"title": settings["name"]} if settings.get("size") else settings
            bind.execute(table.update().where(table.c.id == row.id).values(settings=changed))


def downgrade():
    bind = op.get_bind()
    for row in bind.execute(sa.select(table)).all():
        settings = row.settings
        if isinstance(settings, dict) and "title" in settings:
            changed = {"name": settings["title"]}
            bind.execute(table.update().where(table.c.id == row.id).values(settings=changed))
