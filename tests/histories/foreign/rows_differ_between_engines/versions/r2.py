"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"
lossy = {"upgrade": {"t.name": "normalised"}}


def upgrade():
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE t SET name = name + 'x'")
    else:
        op.execute("UPDATE t SET name = left(name, 40) || 'x'")


def downgrade():
    pass
