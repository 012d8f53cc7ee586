"""the check goes, by its name"""

from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.drop_constraint("both", type_="check")


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.create_check_constraint("both", "(a IS NULL) = (b IS NULL)")
