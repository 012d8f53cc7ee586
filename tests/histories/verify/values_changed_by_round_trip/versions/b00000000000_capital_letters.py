"""capital letters"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    op.execute("UPDATE river SET name = upper(name)")


def downgrade():
    op.execute("UPDATE river SET name = lower(name)")
