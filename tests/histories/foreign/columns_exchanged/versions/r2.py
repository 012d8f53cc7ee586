"""Makes the table again with another order of columns, and copies without names"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.rename_table("login", "old")
    op.create_table(
        "login",
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("host", sa.String(20)),
        sa.Column("user", sa.String(20)),
    )
    op.execute("INSERT INTO login SELECT * FROM old")
    op.drop_table("old")


def downgrade():
    op.rename_table("login", "old")
    op.create_table(
        "login",
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("user", sa.String(20)),
        sa.Column("host", sa.String(20)),
    )
    op.execute("INSERT INTO login SELECT * FROM old")
    op.drop_table("old")
