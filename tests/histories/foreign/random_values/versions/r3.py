"""r3"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    kind = op.create_table("kind", sa.Column("id", sa.String(36), primary_key=True), sa.Column("name", sa.String(9)))
    op.bulk_insert(kind, [{"id": str(uuid.uuid4()), "name": name} for name in ("a", "b")])
    op.create_table("copied", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(30)))
    op.execute("INSERT INTO copied (name) SELECT name FROM t ORDER BY id")


def downgrade():
    op.drop_table("copied")
    op.drop_table("kind")
