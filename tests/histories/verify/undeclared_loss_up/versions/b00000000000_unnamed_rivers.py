"""unnamed rivers"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    op.execute("DELETE FROM river WHERE name IS NULL")


def downgrade():
    pass
