"""create river"""

import time

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    op.create_table("river", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("UPDATE country SET name = 'Belgium'")
    print("waiting", flush=True)
    time.sleep(600)


def downgrade():
    op.drop_table("river")
