"""NOT NULL, with values for the rows that have none"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.execute("UPDATE t SET name = 'none' WHERE name IS NULL")
    with op.batch_alter_table("t") as batch:
        batch.alter_column("name", existing_type=sa.String(20), nullable=False)


def downgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("name", existing_type=sa.String(20), nullable=True)
