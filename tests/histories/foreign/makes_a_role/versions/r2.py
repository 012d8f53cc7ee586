"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE ROLE reader_of_makes_a_role")
        op.execute("GRANT SELECT ON t TO reader_of_makes_a_role")


def downgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("REVOKE SELECT ON t FROM reader_of_makes_a_role")
        op.execute("DROP ROLE reader_of_makes_a_role")
