"""create words"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"words": "created by this revision"}}


def upgrade():
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE words USING fts5(body)")
    else:
        op.create_table("words", sa.Column("body", sa.Text))


def downgrade():
    op.drop_table("words")
