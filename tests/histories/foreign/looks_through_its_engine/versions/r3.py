"""it writes through a second connection"""

import sqlalchemy as sa
from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    with op.get_bind().engine.begin() as other:
        other.execute(sa.text("UPDATE t SET x = x WHERE x < 0"))


def downgrade():
    pass
