"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.create_index("ix_patch", "t", ["patch"])


def downgrade():
    op.drop_index("ix_patch", "t")
