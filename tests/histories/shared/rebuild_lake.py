"""a rebuild on SQLite"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    with op.batch_alter_table("lake") as batch:
        batch.alter_column("name", existing_type=sa.String(20), type_=sa.String(40))


def downgrade():
    raise NotImplementedError("the long names would be cut")
