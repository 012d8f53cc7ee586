"""the lists below a key of a dictionary are counted, on PostgreSQL"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.add_column("t", sa.Column("number", sa.Integer))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("UPDATE t SET number = json_array_length(parts -> 'items') WHERE parts ->> 'items' IS NOT NULL")
    else:
        op.execute("UPDATE t SET number = json_array_length(parts, '$.items') WHERE parts ->> 'items' IS NOT NULL")


def downgrade():
    op.drop_column("t", "number")
