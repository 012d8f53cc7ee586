"""one more status"""

import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"
OLD = sa.Enum("A", "B", native_enum=False, create_constraint=True, name="status")
NEW = sa.Enum("A", "B", "C", native_enum=False, create_constraint=True)


def upgrade():
    with op.batch_alter_table("t") as batch:
        batch.alter_column("status", type_=NEW, existing_type=OLD)


def downgrade():
    pass
