"""add rhine"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    op.execute("INSERT INTO river (name) VALUES ('Rhine')")


def downgrade():
    pass
