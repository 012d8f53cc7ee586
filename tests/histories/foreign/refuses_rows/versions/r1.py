"""The tables."""

import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    op.create_table("item", sa.Column("id", sa.Integer, primary_key=True), sa.Column("number", sa.Integer))
    op.create_table(
        "attribute",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("item_id", sa.Integer, sa.ForeignKey("item.id", name="fk_attribute_item_id")),
        sa.Column("key", sa.String(50)),
        sa.Column("text", sa.String(50)),
        sa.UniqueConstraint("item_id", "key", name="uq_attribute"),
    )
    op.create_table("document", sa.Column("id", sa.Integer, primary_key=True), sa.Column("content", sa.JSON))
    op.create_table(
        "place",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("site", sa.Integer),
        sa.Column("name", sa.String(50)),
    )


def downgrade():
    for table in ("place", "document", "attribute", "item"):
        op.drop_table(table)
