"""Tables with numbers as keys"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
    op.create_table("lake", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(20)))
    op.create_table(
        "dam",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("place", sa.Integer, sa.ForeignKey("river.id", name="fk_dam_place")),
    )


def downgrade():
    op.drop_table("dam")
    op.drop_table("lake")
    op.drop_table("river")
