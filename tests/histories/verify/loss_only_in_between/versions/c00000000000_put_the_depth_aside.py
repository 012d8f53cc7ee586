"""put the depth aside"""

import sqlalchemy as sa
from alembic import op

revision = "c00000000000"
down_revision = "b00000000000"
lossy = {"downgrade": {"river.old_depth": "the depth has its values again", "river.depth": "measured again"}}


def upgrade():
    op.add_column("river", sa.Column("old_depth", sa.Integer))
    op.execute("UPDATE river SET old_depth = depth")
    op.execute("UPDATE river SET depth = NULL")


def downgrade():
    op.execute("UPDATE river SET depth = old_depth")
    with op.batch_alter_table("river") as batch:
        batch.drop_column("old_depth")
