"""its id does not fit into the version table of PostgreSQL"""

import sqlalchemy as sa
from alembic import op

revision = "2026_01_05_1200_add_the_column_a_to_t"
down_revision = "r1"


def upgrade():
    op.add_column("t", sa.Column("a", sa.Integer))


def downgrade():
    op.drop_column("t", "a")
