"""r3"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("u")
