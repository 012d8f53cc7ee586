"""the type is created, and then the table creates it again"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    sa.Enum("C", "D", name="colour").create(op.get_bind(), checkfirst=True)
    op.create_table(
        "u", sa.Column("id", sa.Integer, primary_key=True), sa.Column("c", sa.Enum("C", "D", name="colour"))
    )


def downgrade():
    op.drop_table("u")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TYPE colour")
