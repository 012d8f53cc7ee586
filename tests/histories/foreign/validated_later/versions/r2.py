"""a check of new rows, so that the table is not locked for long"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    with op.batch_alter_table("reach") as batch:
        batch.create_check_constraint("ck_reach_id", "id > -100", postgresql_not_valid=True)


def downgrade():
    with op.batch_alter_table("reach") as batch:
        batch.drop_constraint("ck_reach_id", type_="check")
