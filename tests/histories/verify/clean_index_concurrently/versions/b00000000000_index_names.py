"""index names"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
transaction = "none"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("ix_river_name", "river", ["name"], postgresql_concurrently=True, if_not_exists=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("ix_river_name", "river", postgresql_concurrently=True, if_exists=True)
