"""The application makes the table with create_all before it runs the first revision."""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    with op.batch_alter_table("river") as batch:
        batch.add_column(sa.Column("name", sa.String(20)))


def downgrade():
    with op.batch_alter_table("river") as batch:
        batch.drop_column("name")
