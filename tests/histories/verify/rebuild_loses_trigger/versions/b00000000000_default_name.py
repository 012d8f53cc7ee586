"""default name"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    with op.batch_alter_table("river") as batch:
        batch.alter_column("name", existing_type=sa.String(40), server_default="unnamed")


def downgrade():
    with op.batch_alter_table("river") as batch:
        batch.alter_column("name", existing_type=sa.String(40), server_default=None)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE TRIGGER named AFTER UPDATE ON river BEGIN SELECT 1; END")
