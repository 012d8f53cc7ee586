"""b"""

import sqlalchemy as sa
from alembic import op

revision = "b"
down_revision = "r1"
lossy = {"downgrade": {"tb": "made here"}}


def upgrade():
    op.create_table("tb", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("tb")
