"""r1"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None
lossy = {"downgrade": {"t": "made here"}}


def upgrade():
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("patch", sa.String),
        sa.Column("line", sa.String(4000)),
    )


def downgrade():
    op.drop_table("t")
