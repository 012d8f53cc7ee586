"""Back to the river, whose keys these values are not"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    with op.batch_alter_table("dam") as batch:
        batch.drop_constraint("fk_dam_place", type_="foreignkey")
        batch.create_foreign_key("fk_dam_place", "river", ["place"], ["id"])


def downgrade():
    with op.batch_alter_table("dam") as batch:
        batch.drop_constraint("fk_dam_place", type_="foreignkey")
        batch.create_foreign_key("fk_dam_place", "lake", ["place"], ["id"])
