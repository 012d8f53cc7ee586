"""create river"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision"}}


def upgrade():
    op.create_table(
        "river",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("course", sa.Enum("free", "bent", name="course"), nullable=False),
        sa.Column("depth", sa.Integer),
    )


def downgrade():
    op.drop_table("river")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TYPE course")
