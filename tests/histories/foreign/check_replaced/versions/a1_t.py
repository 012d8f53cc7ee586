"""t"""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None
OLD = sa.Enum("A", "B", native_enum=False, create_constraint=True, name="status")


def upgrade():
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("status", sa.String(20)),
        sa.CheckConstraint("status IN ('A', 'B')", name="status"),
    )


def downgrade():
    op.drop_table("t")
