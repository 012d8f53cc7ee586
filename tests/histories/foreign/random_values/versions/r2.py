"""r2"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.add_column("t", sa.Column("token", sa.String(40)))
    for id_ in op.get_bind().execute(sa.text("SELECT id FROM t")).scalars().all():
        op.execute(f"UPDATE t SET token = '{secrets.token_hex(8)}' WHERE id = {id_}")


def downgrade():
    op.drop_column("t", "token")
