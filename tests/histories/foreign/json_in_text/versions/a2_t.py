"""reads it"""

import json

import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    t = sa.table("t", sa.column("id"), sa.column("meta_json"), sa.column("k", sa.Enum("A", "B", name="kind")))
    for row in op.get_bind().execute(sa.select(t.c.id, t.c.k)):
        pass
    for row in op.get_bind().execute(sa.select(t.c.meta_json).where(t.c.meta_json.is_not(None))):
        json.loads(row.meta_json)


def downgrade():
    pass
