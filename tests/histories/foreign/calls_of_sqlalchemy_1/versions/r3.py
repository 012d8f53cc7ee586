"""the downgrade forgets the column"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.add_column("t", sa.Column("note", sa.Text))


def downgrade():
    pass
