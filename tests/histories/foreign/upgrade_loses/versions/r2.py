"""r2"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.create_table("u", sa.Column("id", sa.Integer, primary_key=True), sa.Column("path", sa.String(50)))
    with op.batch_alter_table("t") as batch:
        batch.drop_column("path")


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.add_column(sa.Column("path", sa.String(50)))
    op.drop_table("u")
