"""Gives a name to a unique key."""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code", sa.String(20)),
        sa.Column("name", sa.String(20)),
        sa.UniqueConstraint("code", name="t_code"),
        sa.UniqueConstraint("name", name="t_name"),
    )


def downgrade():
    op.drop_table("t")
