"""keep reaches"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    with op.batch_alter_table("reach") as batch:
        batch.drop_constraint("fk_reach_river_id_river", type_="foreignkey")
        batch.create_foreign_key("fk_reach_river_id_river", "river", ["river_id"], ["id"], ondelete="RESTRICT")


def downgrade():
    with op.batch_alter_table("reach") as batch:
        batch.drop_constraint("fk_reach_river_id_river", type_="foreignkey")
        batch.create_foreign_key("fk_reach_river_id_river", "river", ["river_id"], ["id"])
