"""drop y"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TYPE spot DROP ATTRIBUTE y")


def downgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TYPE spot ADD ATTRIBUTE y INT")
