"""everybody may read t, and nobody may read u"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("GRANT SELECT ON t TO public")


def downgrade():
    op.drop_table("u")
    op.drop_table("t")
