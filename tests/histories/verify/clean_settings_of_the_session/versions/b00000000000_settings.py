"""add a name, in a session with settings of its own"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river.name": "created by this revision"}}


def settings():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET datestyle = 'SQL, DMY'")
        op.execute("SET search_path = public, pg_catalog")


def upgrade():
    settings()
    op.add_column("river", sa.Column("name", sa.String(40)))


def downgrade():
    settings()
    op.drop_column("river", "name")
