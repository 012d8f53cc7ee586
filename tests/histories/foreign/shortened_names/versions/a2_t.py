"""dropped by the same long name: works on both engines"""

from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.drop_constraint(op.f("uq_" + "a" * 65), type_="unique")


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.create_unique_constraint(op.f("uq_" + "a" * 65), ["a"])
