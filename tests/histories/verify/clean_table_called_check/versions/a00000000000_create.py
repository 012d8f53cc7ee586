"""create check and river, which refers to it"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"check": "created by this revision", "river": "created by this revision"}}


def upgrade():
    op.create_table("check", sa.Column("id", sa.Integer, primary_key=True))
    key = sa.ForeignKey("check.id", name="fk_river_check")
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True), sa.Column("check_id", sa.Integer, key))


def downgrade():
    op.drop_table("river")
    op.drop_table("check")
