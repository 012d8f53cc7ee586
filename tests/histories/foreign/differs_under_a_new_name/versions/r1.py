"""The engines give the column other types."""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    kind = sa.Text() if op.get_bind().dialect.name == "postgresql" else sa.String(20)
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", kind))


def downgrade():
    op.drop_table("t")
