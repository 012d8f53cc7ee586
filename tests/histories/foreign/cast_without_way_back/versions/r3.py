"""r3"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("number", type_=sa.String(20))
        batch.alter_column("flag", type_=sa.Integer, postgresql_using="flag::integer")


def downgrade():
    raise NotImplementedError("nobody needs it")
