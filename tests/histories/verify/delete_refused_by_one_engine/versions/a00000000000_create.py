"""create river and lake"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision", "lake": "created by this revision"}}

KEEP = """
    CREATE TRIGGER keep BEFORE DELETE ON river WHEN EXISTS (SELECT 1 FROM lake WHERE river_id = OLD.id)
    BEGIN SELECT RAISE(ABORT, 'it has lakes'); END
"""


def upgrade():
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True))
    key = sa.ForeignKey("river.id", name="fk_lake_river", ondelete="CASCADE")
    op.create_table("lake", sa.Column("id", sa.Integer, primary_key=True), sa.Column("river_id", sa.Integer, key))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(KEEP)


def downgrade():
    op.drop_table("lake")
    op.drop_table("river")
