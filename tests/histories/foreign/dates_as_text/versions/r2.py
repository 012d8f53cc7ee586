"""It reads the text of SQLite, as SQLAlchemy writes it."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    if op.get_bind().dialect.name == "sqlite":
        for (at,) in op.get_bind().execute(sa.text("SELECT at FROM t WHERE at IS NOT NULL")):
            datetime.strptime(at, "%Y-%m-%d %H:%M:%S.%f")


def downgrade():
    pass
