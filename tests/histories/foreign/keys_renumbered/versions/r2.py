"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.execute("UPDATE t SET id = -id")
    op.execute("UPDATE one SET t_id = -t_id")
    op.execute("UPDATE two SET t_id = -t_id")


def downgrade():
    pass
