"""drop alias"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"upgrade": {"river.alias": "nobody uses it"}}


def upgrade():
    op.drop_column("river", "alias")


def downgrade():
    op.add_column("river", sa.Column("alias", sa.String(40)))
