"""add is long"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river.is_long": "added by this revision"}}


def upgrade():
    op.execute("ALTER TABLE river ADD COLUMN is_long BOOLEAN DEFAULT 0 NOT NULL")


def downgrade():
    op.drop_column("river", "is_long")
