"""t"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None
lossy = {"downgrade": {"t": "made here"}}


def upgrade():
    check = sa.CheckConstraint("size > 0", name="ck_size")
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("size", sa.Integer), check)


def downgrade():
    op.drop_table("t")
