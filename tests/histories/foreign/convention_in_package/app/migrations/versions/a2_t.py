"""no longer unique"""

from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.drop_constraint("uq_t_a", type_="unique")


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.create_unique_constraint("uq_t_a", ["a"])
