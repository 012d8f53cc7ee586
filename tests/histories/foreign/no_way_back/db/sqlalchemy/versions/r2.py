"""it has no downgrade either, and fails on rows"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("name", existing_type=sa.String(20), nullable=False)
