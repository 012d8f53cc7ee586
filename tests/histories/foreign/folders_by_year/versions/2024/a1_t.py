"""t"""

from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, j JSONB NOT NULL)")
    else:
        op.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, j JSONB NOT NULL)")


def downgrade():
    op.drop_table("t")
