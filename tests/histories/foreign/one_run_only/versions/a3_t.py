"""an index that the downgrade forgets"""

from alembic import op

revision = "a3"
down_revision = "a2"


def upgrade():
    op.create_index("ix_u_k", "u", ["k"])


def downgrade():
    pass
