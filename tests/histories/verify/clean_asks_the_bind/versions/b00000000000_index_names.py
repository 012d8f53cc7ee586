"""index names"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    inspector = sa.inspect(op.get_bind())
    if "ix_river_name" not in {index["name"] for index in inspector.get_indexes("river")}:
        op.create_index("ix_river_name", "river", ["name"])
    river = sa.Table("river", sa.MetaData(), autoload_with=op.get_bind())
    op.get_bind().execute(sa.update(river).where(river.c.id < 0).values(name="below"))


def downgrade():
    op.drop_index("ix_river_name", "river")
