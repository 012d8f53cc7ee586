"""name rivers"""

from alembic import op

revision = "b10000000000"
down_revision = "a00000000000"


def upgrade():
    op.execute("UPDATE river SET name = name::text")


def downgrade():
    pass
