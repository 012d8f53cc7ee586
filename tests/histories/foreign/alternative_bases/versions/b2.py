"""An index that the downgrade forgets."""

from alembic import op

revision = "b2"
down_revision = "b1"


def upgrade():
    op.create_index("ix_t_name", "t", ["name"])


def downgrade():
    pass
