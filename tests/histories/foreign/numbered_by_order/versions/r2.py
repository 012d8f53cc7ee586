"""r2"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.add_column("t", sa.Column("place", sa.Integer))
    ids = op.get_bind().execute(sa.text("SELECT id FROM t ORDER BY name, id")).scalars().all()
    for place, id_ in enumerate(ids):
        op.execute(f"UPDATE t SET place = {place} WHERE id = {id_}")


def downgrade():
    op.drop_column("t", "place")
