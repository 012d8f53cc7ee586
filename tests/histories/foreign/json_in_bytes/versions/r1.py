"""a table with bytes"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("content", sa.LargeBinary))


def downgrade():
    op.drop_table("t")
