"""add depth"""

import sqlalchemy as sa
from alembic import op

revision = "c00000000000"
down_revision = "b00000000000"
lossy = {"downgrade": {"reach.depth": "added by this revision"}}


def upgrade():
    op.add_column("reach", sa.Column("depth", sa.Integer))


def downgrade():
    op.drop_column("reach", "depth")
