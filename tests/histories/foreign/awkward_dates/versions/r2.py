"""r2"""

import datetime as dt

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def move(hours):
    bind = op.get_bind()
    t = sa.table("t", sa.column("id", sa.Integer), sa.column("at", sa.DateTime))
    for id_, at in bind.execute(sa.select(t.c.id, t.c.at).where(t.c.at.is_not(None))).all():
        bind.execute(t.update().where(t.c.id == id_).values(at=at + dt.timedelta(hours=hours)))


def upgrade():
    move(1)


def downgrade():
    move(-1)
