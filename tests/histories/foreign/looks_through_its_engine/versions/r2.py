"""it looks through a second connection, which does not see r1 if both are in the same transaction"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    if "x" not in {each["name"] for each in sa.inspect(op.get_bind().engine).get_columns("t")}:
        op.add_column("t", sa.Column("x", sa.Integer))


def downgrade():
    op.drop_column("t", "x")
