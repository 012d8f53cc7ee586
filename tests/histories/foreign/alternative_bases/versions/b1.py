"""Another base, which makes the same table: nobody runs both in one database."""

import sqlalchemy as sa
from alembic import op

revision = "b1"
down_revision = None
branch_labels = ("new",)


def upgrade():
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))


def downgrade():
    op.drop_table("t")
