"""create setting, a table that can have only the row 1"""

import sqlalchemy as sa
from alembic import op

revision = "c00000000000"
down_revision = "b00000000000"
lossy = {"downgrade": {"setting": "created by this revision"}}


def upgrade():
    op.create_table(
        "setting",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("depth", sa.Integer),
        sa.CheckConstraint("id = 1", name="ck_setting_only_row"),
    )
    op.execute("INSERT INTO setting (id, depth) VALUES (1, 5)")


def downgrade():
    op.drop_table("setting")
