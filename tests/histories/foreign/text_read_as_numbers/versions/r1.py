"""t"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("size", sa.String(20)),
        sa.Column("price", sa.Text),
        sa.Column("weight", sa.Text),
        sa.Column("at", sa.String(40)),
        sa.Column("owner", sa.String(40), unique=True),
    )


def downgrade():
    op.drop_table("t")
