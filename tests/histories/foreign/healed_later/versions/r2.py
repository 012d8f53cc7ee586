"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"


def fk(ondelete):
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("t") as batch:
            batch.drop_constraint("t_s", type_="foreignkey")
            batch.create_foreign_key("t_s", "s", ["s"], ["id"], ondelete=ondelete)


def upgrade():
    fk("CASCADE")


def downgrade():
    fk(None)
