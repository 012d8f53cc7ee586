"""t"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tags", sa.Text),
        sa.Column("parts", sa.JSON),
    )


def downgrade():
    op.drop_table("t")
