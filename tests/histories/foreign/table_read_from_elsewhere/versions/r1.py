"""It reads a table that the application makes with create_all"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    river = sa.Table("river", sa.MetaData(), autoload_with=op.get_bind())
    op.execute(river.update().values(length=0))


def downgrade():
    pass
