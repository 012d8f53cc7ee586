"""a time in place of the day: `datetime` has no method `at_midnight`, and this fails without rows too"""

import datetime

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.add_column("visit", sa.Column("at", sa.DateTime))
    fill_times(op.get_bind())
    op.create_index("ix_visit_at", "visit", ["at"])


def fill_times(connection):
    midnight = datetime.date.today().at_midnight()
    connection.execute(sa.text("UPDATE visit SET at = :at"), {"at": midnight})


def downgrade():
    op.drop_index("ix_visit_at", "visit")
    with op.batch_alter_table("visit") as batch:
        batch.drop_column("at")
