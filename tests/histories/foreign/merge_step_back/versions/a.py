"""a"""

import sqlalchemy as sa
from alembic import op

revision = "a"
down_revision = "r1"
lossy = {"downgrade": {"ta": "made here"}}


def upgrade():
    op.create_table("ta", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("ta")
