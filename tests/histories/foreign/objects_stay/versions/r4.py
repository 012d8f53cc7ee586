"""r4"""

from alembic import op

revision = "r4"
down_revision = "r3"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE t REPLICA IDENTITY FULL")


def downgrade():
    pass
