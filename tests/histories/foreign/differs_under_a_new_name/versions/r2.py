"""Renames the table, which is not a new difference."""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.rename_table("t", "u")


def downgrade():
    op.rename_table("u", "t")
