"""place"""

from alembic import op

revision = "r1"
down_revision = None


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TYPE spot AS (x INT, y INT)")
        op.execute("CREATE TABLE place (id INT PRIMARY KEY, spot spot, spots spot[])")


def downgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TABLE place")
        op.execute("DROP TYPE spot")
