"""add length"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river.length": "added by this revision"}}


def upgrade():
    default = "0" if op.get_bind().dialect.name == "sqlite" else None
    op.add_column("river", sa.Column("length", sa.Integer, server_default=default))


def downgrade():
    op.drop_column("river", "length")
