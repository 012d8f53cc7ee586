"""a table with JSON in a text column"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("plan", sa.Column("id", sa.Integer, primary_key=True), sa.Column("spec", sa.String(4000)))


def downgrade():
    op.drop_table("plan")
