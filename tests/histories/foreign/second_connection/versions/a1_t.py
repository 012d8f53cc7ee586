"""looks through a connection of its own"""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    if "t" in sa.inspect(op.get_bind().engine).get_table_names():
        return
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("t")
