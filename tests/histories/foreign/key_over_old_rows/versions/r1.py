"""tables in which nothing forbids equal rows"""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("person", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))
    op.create_table(
        "member",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person_id", sa.Integer, sa.ForeignKey("person.id"), index=True, nullable=False),
        sa.Column("team", sa.String(40), nullable=False),
        sa.Column("since", sa.Date),
    )
    op.create_table(
        "visit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person_id", sa.Integer, sa.ForeignKey("person.id"), index=True, nullable=False),
        sa.Column("room", sa.String(40), nullable=False),
    )
    op.create_table(
        "node",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("title", sa.String(40)),
    )


def downgrade():
    op.drop_table("node")
    op.drop_table("visit")
    op.drop_table("member")
    op.drop_table("person")
