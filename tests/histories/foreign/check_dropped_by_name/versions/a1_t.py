"""t"""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("a", sa.Integer),
        sa.Column("b", sa.Integer),
        sa.CheckConstraint("(a IS NULL) = (b IS NULL)", name="both"),
    )


def downgrade():
    op.drop_table("t")
