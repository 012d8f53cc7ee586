"""r3"""

from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE POLICY named ON t USING (name IS NOT NULL)")


def downgrade():
    pass
