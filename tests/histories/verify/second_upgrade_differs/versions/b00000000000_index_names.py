"""index names"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    if not op.get_bind().scalar(sa.text("SELECT count(*) FROM river")):
        op.create_index("ix_river_name", "river", ["name"])
        op.execute("INSERT INTO river (name) VALUES ('Rhine')")


def downgrade():
    op.drop_index("ix_river_name", "river", if_exists=True)
