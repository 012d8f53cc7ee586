"""the same enum in another table: one run of Alembic remembers the type, two runs do not"""

import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.create_table("u", sa.Column("id", sa.Integer, primary_key=True), sa.Column("k", sa.Enum("A", "B", name="kind")))


def downgrade():
    op.drop_table("u")
