"""r3"""

from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.create_index("ix_line", "t", ["line"])


def downgrade():
    op.drop_index("ix_line", "t")
