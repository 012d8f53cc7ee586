"""r4"""

import sqlalchemy as sa
from alembic import op

revision = "r4"
down_revision = "r3"


def upgrade():
    key = sa.Column("owner", sa.Integer, sa.ForeignKey("users.id"), index=True)
    op.create_table("c", sa.Column("id", sa.Integer, primary_key=True), key)


def downgrade():
    op.drop_table("c")
