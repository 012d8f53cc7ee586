"""r1"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table(
        "study",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("users_id", sa.BigInteger),
        sa.Column("owner_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), index=True),
    )


def downgrade():
    op.drop_table("study")
    op.drop_table("users")
