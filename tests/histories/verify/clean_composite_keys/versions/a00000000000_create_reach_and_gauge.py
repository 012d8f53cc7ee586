"""create reach and gauge"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"reach": "created by this revision", "gauge": "created by this revision"}}


def upgrade():
    op.create_table(
        "reach",
        sa.Column("river", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("river", "number", name="pk_reach"),
    )
    op.create_table(
        "gauge",
        sa.Column("river", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("metre", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("river", "number", "metre", name="pk_gauge"),
        sa.ForeignKeyConstraint(["river", "number"], ["reach.river", "reach.number"], name="fk_gauge_reach"),
    )


def downgrade():
    op.drop_table("gauge")
    op.drop_table("reach")
