"""reach of river"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"reach.river_id": "added by this revision"}}


def upgrade():
    op.add_column("reach", sa.Column("river_id", sa.Integer))
    with op.batch_alter_table("reach") as batch:
        batch.create_foreign_key("fk_reach_river", "river", ["river_id"], ["id"], postgresql_not_valid=True)


def downgrade():
    with op.batch_alter_table("reach") as batch:
        batch.drop_constraint("fk_reach_river", type_="foreignkey")
        batch.drop_column("river_id")
