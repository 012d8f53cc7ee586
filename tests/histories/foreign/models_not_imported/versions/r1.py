"""r1"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None
lossy = {"downgrade": {"s": "x", "t": "x"}}


def upgrade():
    op.create_table("s", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("s", sa.Integer, sa.ForeignKey("s.id", name="t_s")),
    )


def downgrade():
    op.drop_table("t")
    op.drop_table("s")
