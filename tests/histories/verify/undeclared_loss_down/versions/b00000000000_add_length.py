"""add length"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    op.add_column("river", sa.Column("length", sa.Integer))


def downgrade():
    op.drop_column("river", "length")
