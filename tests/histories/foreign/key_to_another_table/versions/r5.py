"""The values are keys of the copy too"""

import sqlalchemy as sa
from alembic import op

revision = "r5"
down_revision = "r4"


def upgrade():
    with op.batch_alter_table("dam") as batch:
        batch.drop_constraint("fk_dam_place", type_="foreignkey")
        batch.create_foreign_key("fk_dam_place", "stream", ["place"], ["id"])


def downgrade():
    with op.batch_alter_table("dam") as batch:
        batch.drop_constraint("fk_dam_place", type_="foreignkey")
        batch.create_foreign_key("fk_dam_place", "river", ["place"], ["id"])
