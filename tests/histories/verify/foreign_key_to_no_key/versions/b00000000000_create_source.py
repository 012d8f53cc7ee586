"""create source"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"source": "created by this revision"}}


def upgrade():
    op.create_table(
        "source",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("river", sa.String(40), sa.ForeignKey("river.name", name="fk_source_river_river")),
    )


def downgrade():
    op.drop_table("source")
