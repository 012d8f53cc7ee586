"""make room for long ids"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("alembic_version", "version_num", type_=sa.String(128))


def downgrade():
    pass
