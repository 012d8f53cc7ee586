"""index names"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"upgrade": {"river.name": "they are not lost"}}


def upgrade():
    op.create_index("ix_river_name", "river", ["name"])


def downgrade():
    op.drop_index("ix_river_name", "river")
