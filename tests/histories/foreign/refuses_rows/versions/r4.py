"""It writes the present: as a number, and as a text with its time zone."""

import datetime
import time

import sqlalchemy as sa
from alembic import op

revision = "r4"
down_revision = "r3"


def upgrade():
    with op.batch_alter_table("place") as batch:
        batch.add_column(sa.Column("seen_ms", sa.BigInteger))
        batch.add_column(sa.Column("noted", sa.String(50)))
    place = sa.table("place", sa.column("seen_ms"), sa.column("noted"))
    noted = datetime.datetime.now(datetime.timezone.utc).isoformat()
    op.execute(place.update().values(seen_ms=int(time.time() * 1000), noted=noted))


def downgrade():
    with op.batch_alter_table("place") as batch:
        batch.drop_column("noted")
        batch.drop_column("seen_ms")
