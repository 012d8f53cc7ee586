"""create lake"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"lake": "created by this revision"}}


def upgrade():
    starts = sa.text("('Rhine' LIKE 'r%')")
    is_rhine = sa.Column("is_rhine", sa.Boolean, server_default=starts)
    op.create_table("lake", sa.Column("id", sa.Integer, primary_key=True), is_rhine)


def downgrade():
    op.drop_table("lake")
irreversible = "no way back"
