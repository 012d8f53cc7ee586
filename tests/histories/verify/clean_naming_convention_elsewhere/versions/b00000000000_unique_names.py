"""unique names"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"source": "created by this revision"}}


def upgrade():
    op.create_table("source", sa.Column("id", sa.Integer, primary_key=True), sa.Column("river_id", sa.Integer))
    with op.batch_alter_table("source") as batch:
        batch.create_unique_constraint(None, ["id", "river_id"])
        batch.create_foreign_key(None, "river", ["river_id"], ["id"])


def downgrade():
    with op.batch_alter_table("source") as batch:
        batch.drop_constraint("fk_source_river_id_river", type_="foreignkey")
        batch.drop_constraint("uq_source_id", type_="unique")
    op.drop_table("source")
