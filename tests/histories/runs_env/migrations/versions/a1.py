"""The items."""

import sqlalchemy as sa
from alembic import op

revision = "a10000000000"
down_revision = None
lossy = {"downgrade": {"item": "made here"}}


def upgrade():
    op.create_table(
        "item",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code", sa.Integer),
        sa.UniqueConstraint("code"),
    )


def downgrade():
    op.drop_table("item")
