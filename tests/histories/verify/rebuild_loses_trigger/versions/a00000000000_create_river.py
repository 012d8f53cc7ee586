"""create river"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision"}}


def make_trigger():
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE TRIGGER named AFTER UPDATE ON river BEGIN SELECT 1; END")
    else:
        run = "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        op.execute(f"CREATE TRIGGER named BEFORE UPDATE ON river {run}")


def upgrade():
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))
    make_trigger()


def downgrade():
    op.drop_table("river")
