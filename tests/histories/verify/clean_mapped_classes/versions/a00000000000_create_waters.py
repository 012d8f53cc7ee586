"""create waters"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None

lossy = {"downgrade": {"water": "it makes it", "river": "it makes it", "level": "it makes it"}}


def upgrade():
    op.create_table(
        "water",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("type", sa.String(10), nullable=False),
        sa.Column("name", sa.String(3), nullable=False),
    )
    op.create_table(
        "river",
        sa.Column("id", sa.Integer, sa.ForeignKey("water.id"), primary_key=True),
        sa.Column("into_id", sa.Integer, sa.ForeignKey("river.id"), nullable=True),
        sa.Column("kind", sa.String(4), nullable=False),
    )
    op.create_table(
        "level",
        sa.Column("river_id", sa.Integer, sa.ForeignKey("river.id"), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("height", sa.Float, nullable=False),
    )


def downgrade():
    op.drop_table("level")
    op.drop_table("river")
    op.drop_table("water")
