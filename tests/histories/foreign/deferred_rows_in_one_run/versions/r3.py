"""r3"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.add_column("u", sa.Column("number", sa.Integer))


def downgrade():
    op.drop_column("u", "number")
