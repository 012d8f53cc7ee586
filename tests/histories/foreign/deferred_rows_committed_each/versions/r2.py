"""r2"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    key = sa.ForeignKey("t.id", deferrable=True, initially="DEFERRED")
    op.create_table("u", sa.Column("id", sa.Integer, primary_key=True), sa.Column("t_id", sa.Integer, key, index=True))
    op.execute("INSERT INTO u (t_id) SELECT id FROM t")


def downgrade():
    op.drop_table("u")
