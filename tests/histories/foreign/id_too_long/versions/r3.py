"""an index that the downgrade forgets"""

from alembic import op

revision = "r3"
down_revision = "2026_01_05_1200_add_the_column_a_to_t"


def upgrade():
    op.create_index("ix_t_a", "t", ["a"])


def downgrade():
    pass
