"""add rhine"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river": "the row of this revision"}}


def upgrade():
    op.execute("INSERT INTO river (name) VALUES ('Rhine')")


def downgrade():
    op.execute("DELETE FROM river WHERE name = 'Rhine'")
