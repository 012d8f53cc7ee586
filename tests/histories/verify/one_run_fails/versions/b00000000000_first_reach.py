"""first reach"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river": "the row of this revision", "reach": "the row of this revision"}}


def upgrade():
    op.execute("INSERT INTO river (id) VALUES (999)")
    op.execute("INSERT INTO reach (id, river_id) VALUES (999, 999)")


def downgrade():
    op.execute("DELETE FROM reach WHERE id = 999")
    op.execute("DELETE FROM river WHERE id = 999")
