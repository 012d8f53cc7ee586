"""rivers without names"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    with op.batch_alter_table("river") as batch:
        batch.alter_column("name", existing_type=sa.String(40), nullable=True)


def downgrade():
    with op.batch_alter_table("river") as batch:
        batch.alter_column("name", existing_type=sa.String(40), nullable=False)
