"""a copy"""

from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.execute("CREATE TABLE u AS SELECT * FROM t")


def downgrade():
    op.drop_table("u")
