"""create sea"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c00000000000"
down_revision = "b00000000000"
lossy = {"downgrade": {"sea": "created by this revision"}}


def upgrade():
    water = sa.Enum("fresh", "salt", name="water", create_constraint=True)
    if op.get_bind().dialect.name == "postgresql":
        water = postgresql.ENUM("fresh", "salt", name="water", create_type=False)
    op.create_table("sea", sa.Column("id", sa.Integer, primary_key=True), sa.Column("water", water))


def downgrade():
    op.drop_table("sea")
