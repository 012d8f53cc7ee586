"""it has no downgrade, its folder has the name of a library, and its label is no literal"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import types

revision = "r1"
down_revision = None
BRANCH = "shop"
branch_labels = (BRANCH,)


def upgrade():
    op.create_table("t", sa.Column("id", types.Integer, primary_key=True), sa.Column("name", types.String(20)))
