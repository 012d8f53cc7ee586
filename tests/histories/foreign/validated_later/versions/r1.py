"""create reach"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("reach", sa.Column("id", sa.Integer, primary_key=True), sa.Column("depth", sa.Integer))


def downgrade():
    op.drop_table("reach")
