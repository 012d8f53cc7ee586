"""create bridge"""

import sqlalchemy as sa
from alembic import op

revision = "b20000000000"
down_revision = "b10000000000"
lossy = {"downgrade": {"bridge": "created by this revision"}}
depends_on = "a00000000000"


def upgrade():
    op.create_table(
        "bridge",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("river_id", sa.Integer, sa.ForeignKey("river.id", name="fk_bridge_river_id_river")),
        sa.Column("road_id", sa.Integer, sa.ForeignKey("road.id", name="fk_bridge_road_id_road")),
    )


def downgrade():
    op.drop_table("bridge")
