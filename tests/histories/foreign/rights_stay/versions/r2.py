"""r2"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("GRANT SELECT ON t TO PUBLIC")
        op.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
        op.execute("GRANT USAGE ON SEQUENCE t_id_seq TO PUBLIC")


def downgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("REVOKE USAGE ON SEQUENCE t_id_seq FROM PUBLIC")
