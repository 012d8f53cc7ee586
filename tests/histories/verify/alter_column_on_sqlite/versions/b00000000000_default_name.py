"""default name"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    op.alter_column("river", "name", server_default="unnamed")


def downgrade():
    op.alter_column("river", "name", server_default=None)
