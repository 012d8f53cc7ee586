"""an index that the downgrade forgets"""

from alembic import op

revision = "r4"
down_revision = "r3"


def upgrade():
    op.create_index("ix_u_c", "u", ["c"])


def downgrade():
    pass
