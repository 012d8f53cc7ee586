"""the numbers become texts, and PostgreSQL keeps their sequence"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("id", type_=sa.String(36), existing_type=sa.Integer, existing_nullable=False)


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column(
            "id",
            type_=sa.Integer,
            existing_type=sa.String(36),
            existing_nullable=False,
            postgresql_using="id::integer",
        )
