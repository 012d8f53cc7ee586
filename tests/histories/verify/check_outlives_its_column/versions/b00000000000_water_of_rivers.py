"""water of rivers"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river.water": "added by this revision"}}


def upgrade():
    water = sa.Enum("fresh", "salt", name="water", create_constraint=True)
    water.create(op.get_bind(), checkfirst=True)
    with op.batch_alter_table("river") as batch:
        batch.add_column(sa.Column("water", water))


def downgrade():
    with op.batch_alter_table("river") as batch:
        batch.drop_column("water")
    sa.Enum(name="water").drop(op.get_bind(), checkfirst=True)
