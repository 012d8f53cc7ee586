"""create road"""

import sqlalchemy as sa
from alembic import op

revision = "b20000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"road": "created by this revision"}}


def upgrade():
    op.create_table("road", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("road")
