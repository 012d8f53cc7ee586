"""seconds"""

import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column(
            "at",
            type_=sa.BigInteger,
            existing_type=sa.DateTime,
            existing_nullable=False,
            postgresql_using="extract(epoch from at)::bigint",
        )


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column(
            "at",
            type_=sa.DateTime,
            existing_type=sa.BigInteger,
            existing_nullable=False,
            postgresql_using="to_timestamp(at)::timestamp",
        )
