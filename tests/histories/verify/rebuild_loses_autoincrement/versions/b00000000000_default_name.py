"""default name"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    with op.batch_alter_table("river") as batch:
        batch.alter_column("name", existing_type=sa.String(40), server_default="unnamed")


def downgrade():
    with op.batch_alter_table("river", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("name", existing_type=sa.String(40), server_default=None)
