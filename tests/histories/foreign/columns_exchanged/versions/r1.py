"""A table with two texts"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table(
        "login",
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("user", sa.String(20)),
        sa.Column("host", sa.String(20)),
    )


def downgrade():
    op.drop_table("login")
