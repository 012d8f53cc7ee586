"""create river and reach"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision", "reach": "created by this revision"}}


def upgrade():
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
    op.create_table(
        "reach",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column(
            "river_id",
            sa.Integer,
            sa.ForeignKey("river.id", name="fk_reach_river_id_river", deferrable=True, initially="DEFERRED"),
        ),
    )


def downgrade():
    op.drop_table("reach")
    op.drop_table("river")
