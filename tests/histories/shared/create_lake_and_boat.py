"""two tables"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("lake", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
    key = sa.ForeignKey("lake.id", name="fk_boat_lake", ondelete="CASCADE")
    op.create_table("boat", sa.Column("id", sa.Integer, primary_key=True), sa.Column("lake_id", sa.Integer, key))


def downgrade():
    op.drop_table("boat")
    op.drop_table("lake")
