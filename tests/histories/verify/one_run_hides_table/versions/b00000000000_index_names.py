"""index names"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    bind = op.get_bind()
    looker = bind if bind.dialect.name == "sqlite" else bind.engine  # SQLite would wait for the lock of this run
    if sa.inspect(looker).has_table("river"):
        op.create_index("ix_river_name", "river", ["name"])


def downgrade():
    op.drop_index("ix_river_name", "river", if_exists=True)
