"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SCHEMA IF NOT EXISTS other")


def downgrade():
    pass
