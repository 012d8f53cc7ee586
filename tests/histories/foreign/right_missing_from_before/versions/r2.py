"""a column"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.add_column("u", sa.Column("x", sa.Integer))


def downgrade():
    op.drop_column("u", "x")
