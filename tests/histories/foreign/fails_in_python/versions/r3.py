"""the downgrade forgets the index"""

from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.create_index("ix_visit_day_at", "visit", ["day", "at"])


def downgrade():
    pass
