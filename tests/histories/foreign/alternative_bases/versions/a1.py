"""The first base."""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None
branch_labels = ("old",)


def upgrade():
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("t")
