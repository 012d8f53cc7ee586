"""create country"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None


def upgrade():
    op.create_table("country", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("country")
