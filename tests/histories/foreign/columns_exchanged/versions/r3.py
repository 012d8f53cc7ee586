"""Exchanges the values again, on purpose"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.execute('UPDATE login SET host = "user", "user" = host')


def downgrade():
    op.execute('UPDATE login SET host = "user", "user" = host')
