"""The first revision drops a table that no revision makes; only its downgrade makes it."""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.drop_table("river")


def downgrade():
    op.create_table("river", sa.Column("id", sa.Integer(), primary_key=True))
