"""check the old rows"""

from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute('ALTER TABLE reach VALIDATE CONSTRAINT "ck_reach_id"')


def downgrade():
    pass
