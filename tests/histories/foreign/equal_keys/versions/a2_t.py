"""the old ones become new ones, and keep their ids"""

from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.execute("INSERT INTO new_limits (id, name) SELECT id, tag FROM old_limits")


def downgrade():
    op.execute("DELETE FROM new_limits WHERE id IN (SELECT id FROM old_limits)")
