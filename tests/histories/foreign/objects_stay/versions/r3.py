"""r3"""

from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE STATISTICS named ON id, name FROM t")


def downgrade():
    pass
