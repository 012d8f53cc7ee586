"""r1"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
    for name, is_key in (("one", False), ("two", True)):
        key = sa.ForeignKey("t.id", deferrable=True, initially="DEFERRED")
        op.create_table(
            name,
            *([] if is_key else [sa.Column("id", sa.Integer, primary_key=True)]),
            sa.Column("t_id", sa.Integer, key, primary_key=is_key),
            sa.Column("text", sa.String(20)),
        )


def downgrade():
    op.drop_table("two")
    op.drop_table("one")
    op.drop_table("t")
