"""create visit"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("visit", sa.Column("id", sa.Integer, primary_key=True), sa.Column("day", sa.Date))


def downgrade():
    op.drop_table("visit")
