"""r1"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table(
        "t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("state", sa.Enum("a", "b", name="state"))
    )


def downgrade():
    op.drop_table("t")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TYPE state")
