"""it asks for a setting of alembic.ini"""

import sqlalchemy as sa
from alembic import context, op

revision = "r1"
down_revision = None


def is_told_to_skip():
    settings = (context.config, context.get_context().config, op.get_context().config)
    return any(each.get_main_option("skip_first_revision") for each in settings)


def upgrade():
    if not is_told_to_skip():
        op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    if not is_told_to_skip():
        op.drop_table("t")
