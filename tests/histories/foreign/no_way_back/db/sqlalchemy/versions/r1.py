"""it has no downgrade, and its folder has the name of a library"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import types

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("t", sa.Column("id", types.Integer, primary_key=True), sa.Column("name", types.String(20)))
