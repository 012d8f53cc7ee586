"""create lake"""

import sqlalchemy as sa
from alembic import op

revision = "b000000000000000000000000000000000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"lake": "created by this revision"}}


def upgrade():
    op.create_table("lake", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("lake")
