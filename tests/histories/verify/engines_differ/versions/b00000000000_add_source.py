"""add source"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river.source": "added by this revision"}}


def upgrade():
    kind = sa.String(40) if op.get_bind().dialect.name == "sqlite" else sa.Text()
    op.add_column("river", sa.Column("source", kind))


def downgrade():
    op.drop_column("river", "source")
