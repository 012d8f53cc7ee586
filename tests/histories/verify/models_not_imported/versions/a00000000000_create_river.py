"""create river"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision"}}


def upgrade():
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))


def downgrade():
    op.drop_table("river")
