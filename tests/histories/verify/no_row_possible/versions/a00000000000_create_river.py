"""create river"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision"}}


def upgrade():
    op.create_table(
        "river",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id > 5 AND id < 5", name="ck_river_id"), primary_key=True),
    )


def downgrade():
    op.drop_table("river")
