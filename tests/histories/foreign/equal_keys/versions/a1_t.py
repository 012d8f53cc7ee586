"""two tables with UUID keys"""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.create_table("old_limits", sa.Column("id", sa.Uuid, primary_key=True), sa.Column("tag", sa.String(40)))
    op.create_table("new_limits", sa.Column("id", sa.Uuid, primary_key=True), sa.Column("name", sa.String(40)))


def downgrade():
    op.drop_table("new_limits")
    op.drop_table("old_limits")
