"""r1"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime),
        sa.Column("number", sa.Integer),
        sa.Column("flag", sa.Boolean),
    )


def downgrade():
    op.drop_table("t")
