"""r3"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    key = sa.Column("study_id", sa.String(36), sa.ForeignKey("study.id", ondelete="CASCADE"))
    op.create_table("b", sa.Column("id", sa.Integer, primary_key=True), key)


def downgrade():
    op.drop_table("b")
