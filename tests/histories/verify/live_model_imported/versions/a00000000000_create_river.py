"""create river"""

from alembic import op
from rivers_of_today import River

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision"}}


def upgrade():
    River.__table__.create(op.get_bind())


def downgrade():
    op.drop_table("river")
