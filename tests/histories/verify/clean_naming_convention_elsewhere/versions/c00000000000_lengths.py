"""lengths"""

import sqlalchemy as sa
from alembic import context, op

revision: str = "c00000000000"
down_revision: str | None = "b00000000000"
lossy = {"downgrade": {"river.length": "added by this revision"}}


def upgrade():
    assert not context.is_offline_mode()
    with op.batch_alter_table("river") as batch:
        batch.add_column(sa.Column("length", sa.Integer, server_default="0", nullable=False))
        batch.create_check_constraint("positive", sa.text("length >= 0"))


def downgrade():
    with op.batch_alter_table("river") as batch:
        batch.drop_constraint("positive", type_="check")
    with op.batch_alter_table("river") as batch:
        batch.drop_column("length")
