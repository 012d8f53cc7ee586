"""create road"""

import sqlalchemy as sa
from alembic import op

revision = "c00000000000"
down_revision = "b00000000000"


def upgrade():
    op.create_table("road", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("UPDATE country SET name = 'Belgium'")
    op.execute("INSERT INTO nowhere VALUES (1)")


def downgrade():
    op.drop_table("road")
