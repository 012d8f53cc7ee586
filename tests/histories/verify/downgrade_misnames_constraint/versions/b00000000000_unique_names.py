"""unique names"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    with op.batch_alter_table("river") as batch:
        batch.create_unique_constraint("uq_river_id_name", ["id", "name"])


def downgrade():
    with op.batch_alter_table("river") as batch:
        batch.drop_constraint("uq_river_name", type_="unique")
