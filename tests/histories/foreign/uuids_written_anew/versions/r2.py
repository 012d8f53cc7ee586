"""UUIDs lose their hyphens, and get them again on the way back"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    write(lambda key: uuid.UUID(key).hex)


def downgrade():
    write(lambda key: str(uuid.UUID(key)))


def write(changed):
    t = sa.table("t", sa.column("id"), sa.column("key"))
    for row in op.get_bind().execute(sa.select(t.c.id, t.c.key)).fetchall():
        op.get_bind().execute(t.update().where(t.c.id == row.id).values(key=changed(row.key)))
