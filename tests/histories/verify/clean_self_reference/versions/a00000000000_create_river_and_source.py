"""create river and source"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision", "source": "created by this revision"}}


def upgrade():
    op.create_table(
        "river",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("flows_into", sa.Integer, sa.ForeignKey("river.id", name="fk_river_flows_into_river")),
        sa.Column("source_id", sa.Integer),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("river_id", sa.Integer, sa.ForeignKey("river.id", name="fk_source_river_id_river"), nullable=False),
    )
    with op.batch_alter_table("river") as batch:
        batch.create_foreign_key("fk_river_source_id_source", "source", ["source_id"], ["id"])


def downgrade():
    with op.batch_alter_table("river") as batch:
        batch.drop_constraint("fk_river_source_id_source", type_="foreignkey")
    op.drop_table("source")
    op.drop_table("river")
