"""create river"""

import sqlalchemy as sa
from alembic import op

down_revision = "a00000000000"


def upgrade():
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("river")
