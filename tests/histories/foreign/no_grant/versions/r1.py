"""r1"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None
lossy = {"downgrade": {"t": "made here"}}


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("t_seq")))
    op.create_table(
        "t", sa.Column("id", sa.Integer, sa.Sequence("t_seq"), primary_key=True), sa.Column("name", sa.String(20))
    )


def downgrade():
    op.drop_table("t")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.DropSequence(sa.Sequence("t_seq")))
