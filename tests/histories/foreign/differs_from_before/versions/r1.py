"""r1"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None
lossy = {"downgrade": {"t": "made here", "s": "made here"}}


def upgrade():
    op.create_table("s", sa.Column("id", sa.Integer, primary_key=True))
    pg = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("s", sa.Integer, sa.ForeignKey("s.id", name="t_s", ondelete="CASCADE" if pg else None)),
    )


def downgrade():
    op.drop_table("t")
    op.drop_table("s")
