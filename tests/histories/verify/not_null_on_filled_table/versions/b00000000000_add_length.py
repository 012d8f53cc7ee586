"""add length"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river.length": "added by this revision"}}


def upgrade():
    with op.batch_alter_table(
        "river", recreate="auto" if op.get_bind().dialect.name == "postgresql" else "always"
    ) as batch:
        batch.add_column(sa.Column("length", sa.Integer, nullable=False))


def downgrade():
    op.drop_column("river", "length")
