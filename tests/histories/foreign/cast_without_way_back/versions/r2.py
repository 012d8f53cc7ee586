"""r2"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("at", type_=sa.Date)


def downgrade():
    raise NotImplementedError("the times are gone")
