"""columns get enums whose types nobody creates"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.add_column("t", sa.Column("kind", sa.Enum("A", "B", name="kind")))
    with op.batch_alter_table("t") as batch:
        size = sa.Enum("S", "L", name="size")
        batch.alter_column("size", type_=size, existing_type=sa.String(5), postgresql_using="size::size")


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("size", type_=sa.String(5), existing_type=sa.Enum("S", "L", name="size"))
    op.drop_column("t", "kind")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TYPE kind")
        op.execute("DROP TYPE size")
