"""a text becomes an enum where it is"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"
SIZE = sa.Enum("S", "L", name="size_of_t", create_constraint=True)


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        SIZE.create(op.get_bind())
    with op.batch_alter_table("t") as batch:
        batch.alter_column("size", type_=SIZE, existing_type=sa.String(5), postgresql_using="size::size_of_t")


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("size", type_=sa.String(5), existing_type=SIZE)
    if op.get_bind().dialect.name == "postgresql":
        SIZE.drop(op.get_bind())
