"""each node has a UUID of its own, as each program makes them"""

from alembic import op

revision = "r4"
down_revision = "r3"


def upgrade():
    op.create_index("ux_node", "node", ["uuid"], unique=True)


def downgrade():
    op.drop_index("ux_node", "node")
