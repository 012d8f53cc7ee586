"""create river"""

import sqlalchemy as sa
from alembic import op

revision = "c00000000000"
down_revision = "b00000000000"


def upgrade():
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("river")
