"""JSON in a text column"""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.create_table(
        "t",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("meta_json", sa.Text),
        sa.Column("k", sa.Enum("A", "B", name="kind")),
    )


def downgrade():
    op.drop_table("t")
    op.execute("DROP TYPE kind") if op.get_bind().dialect.name == "postgresql" else None
