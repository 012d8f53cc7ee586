"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.execute("INSERT INTO t (id, name, state) VALUES (1001, 'the first', 'done'), (1002, 'the second', 'OPEN')")


def downgrade():
    op.execute("DELETE FROM t WHERE id > 1000")
