"""create river"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision"}}


def upgrade():
    key = sa.ForeignKey("river.id", name="river_into", deferrable=True, initially="DEFERRED")
    op.create_table(
        "river", sa.Column("id", sa.Integer, primary_key=True), sa.Column("into", sa.Integer, key, index=True)
    )


def downgrade():
    op.drop_table("river")
