"""short names"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
irreversible = "the rest of each name is gone"
lossy = {"upgrade": {"river.name": "shortened"}}


def upgrade():
    op.execute("UPDATE river SET name = substr(name, 1, 3)")


def downgrade():
    raise NotImplementedError
