"""The upgrade refuses JSON that it does not know."""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    document = sa.table("document", sa.column("id"), sa.column("content", sa.JSON))
    for row in op.get_bind().execute(sa.select(document)):
        if unknown := {*(row.content or {})} - {"title"}:
            raise RuntimeError(f"document {row.id} has unknown keys: {sorted(unknown)}")


def downgrade():
    pass
