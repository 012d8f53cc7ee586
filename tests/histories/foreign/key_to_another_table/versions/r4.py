"""A copy of a table, with the same keys"""

import sqlalchemy as sa
from alembic import op

revision = "r4"
down_revision = "r3"


def upgrade():
    op.create_table("stream", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
    op.execute("INSERT INTO stream (id, name) SELECT id, name FROM river")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT setval('stream_id_seq', max(id)) FROM stream")


def downgrade():
    op.drop_table("stream")
