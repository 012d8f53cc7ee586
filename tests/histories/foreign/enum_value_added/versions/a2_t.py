"""one more value, which stays"""

from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        with op.get_context().autocommit_block():
            op.execute("ALTER TYPE kind ADD VALUE IF NOT EXISTS 'C'")


def downgrade():
    pass
