"""the bytes become JSON"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE t ALTER content TYPE JSON USING convert_from(content, 'UTF8')::json")


def downgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE t ALTER content TYPE BYTEA USING convert_to(content::text, 'UTF8')")
