"""The upgrade fails at a NULL, and deletes the rows that the downgrade writes again."""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"

attribute = sa.table("attribute", sa.column("item_id"), sa.column("key"), sa.column("text"))
item = sa.table("item", sa.column("id"), sa.column("number"))


def upgrade():
    bind = op.get_bind()
    for row in bind.execute(sa.select(attribute)).all():
        if row.text.isdigit() and row.key == "_number":
            bind.execute(item.update().where(item.c.id == row.item_id).values(number=int(row.text)))
    bind.execute(sa.delete(attribute).where(attribute.c.key == "_number"))


def downgrade():
    bind = op.get_bind()
    for row in bind.execute(sa.select(item)).all():
        bind.execute(attribute.insert().values(item_id=row.id, key="_number", text=str(row.number)))
