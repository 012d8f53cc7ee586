"""json, and a NOT NULL without a default"""

import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.add_column("t", sa.Column("j", sa.JSON))
    with op.batch_alter_table("t") as batch:
        batch.add_column(sa.Column("n", sa.Integer, nullable=False))


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.drop_column("n")
    op.drop_column("t", "j")
