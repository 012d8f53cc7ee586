"""write with a deferred key"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    op.execute('UPDATE river SET "into" = "into"')


def downgrade():
    pass
