"""drop index"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    op.drop_index("ix_river_name", "river")


def downgrade():
    pass
