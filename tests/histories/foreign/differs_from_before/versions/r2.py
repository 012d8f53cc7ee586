"""It has nothing to do with the difference that r1 has made."""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("u")
