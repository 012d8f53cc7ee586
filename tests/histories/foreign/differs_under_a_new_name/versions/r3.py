"""Renames the table a second time."""

from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.rename_table("u", "v")


def downgrade():
    op.rename_table("v", "u")
