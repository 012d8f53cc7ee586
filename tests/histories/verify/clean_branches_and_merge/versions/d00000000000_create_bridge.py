"""create bridge"""

import sqlalchemy as sa
from alembic import op

revision = "d00000000000"
down_revision = "c00000000000"
lossy = {"downgrade": {"bridge": "created by this revision"}}


def upgrade():
    op.create_table("bridge", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("bridge")
