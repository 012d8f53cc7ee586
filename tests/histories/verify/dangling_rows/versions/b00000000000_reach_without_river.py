"""reach without river"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"reach": "the row of this revision"}}


def upgrade():
    nowhere = 998 if op.get_bind().dialect.name == "sqlite" else None  # PostgreSQL would refuse it
    op.execute(
        sa.text("INSERT INTO reach (id, river_id) VALUES (999, :river)").bindparams(
            sa.bindparam("river", nowhere, sa.Integer)
        )
    )


def downgrade():
    op.execute("DELETE FROM reach WHERE id = 999")
