"""texts that are numbers, dates and UUIDs get their types"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    for price, weight, owner in op.get_bind().execute(sa.text("SELECT price, weight, owner FROM t")).fetchall():
        assert price is None or float(price) > 0
        assert weight is None or int(weight) > 0
        assert owner is None or uuid.UUID(owner)
    with op.batch_alter_table("t") as batch:
        size = "NULLIF(size, '')::integer"
        batch.alter_column("size", existing_type=sa.String(20), type_=sa.Integer, postgresql_using=size)
        batch.alter_column("at", existing_type=sa.String(40), type_=sa.DateTime, postgresql_using="at::timestamp")


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("at", existing_type=sa.DateTime, type_=sa.String(40))
        batch.alter_column("size", existing_type=sa.Integer, type_=sa.String(20))
