"""rename river"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
moves = {"river": "stream", "river.name": "stream.label"}


def upgrade():
    op.rename_table("river", "stream")
    op.alter_column("stream", "name", new_column_name="label")


def downgrade():
    op.alter_column("stream", "label", new_column_name="name")
    op.rename_table("stream", "river")
