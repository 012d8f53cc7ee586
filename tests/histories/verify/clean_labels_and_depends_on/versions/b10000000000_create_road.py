"""create road"""

import sqlalchemy as sa
from alembic import op

revision = "b10000000000"
down_revision = None
lossy = {"downgrade": {"road": "created by this revision"}}
branch_labels = ("land",)


def upgrade():
    op.create_table("road", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("road")
