"""a new column with the type of an enum takes the name and the values of the text"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"
STATE = sa.Enum("open", "paid", name="state_of_t")


def replace(kind, cast):
    if op.get_bind().dialect.name != "postgresql":
        return
    STATE.create(op.get_bind(), checkfirst=True)
    op.add_column("t", sa.Column("new", kind))
    op.execute(f"UPDATE t SET new = state::{cast}")
    op.drop_column("t", "state")
    op.alter_column("t", "new", new_column_name="state")


def upgrade():
    replace(STATE, STATE.name)


def downgrade():
    replace(sa.String, "text")
    STATE.drop(op.get_bind(), checkfirst=True)
