"""It imports the application that contains it."""

import sqlalchemy as sa
from alembic import op
from shop_app.names import TABLE

revision = "r1"
down_revision = None


def upgrade():
    op.create_table(TABLE, sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table(TABLE)
