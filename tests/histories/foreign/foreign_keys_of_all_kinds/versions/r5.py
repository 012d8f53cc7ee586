"""r5"""

import sqlalchemy as sa
from alembic import op

revision = "r5"
down_revision = "r4"


def upgrade():
    key = sa.Column("owner", sa.BigInteger, sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    op.create_table("d", sa.Column("id", sa.Integer, primary_key=True), key)


def downgrade():
    op.drop_table("d")
