"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT nonsense(1)")


def downgrade():
    pass
