"""PostgreSQL drops the check, and SQLite gets a new table without it"""

from alembic import op

revision = "r2"
down_revision = "r1"
lossy = {"downgrade": {"t": "the rows that the check refuses"}}


def upgrade():
    if op.get_bind().dialect.name == "sqlite":
        rebuild("")
    else:
        op.execute('ALTER TABLE t DROP CONSTRAINT "ck_size"')


def downgrade():
    op.execute("DELETE FROM t WHERE size <= 0")
    if op.get_bind().dialect.name == "sqlite":
        rebuild(", CONSTRAINT ck_size CHECK (size > 0)")
    else:
        op.execute("ALTER TABLE t ADD CONSTRAINT ck_size CHECK (size > 0)")


def rebuild(check):
    op.execute(f"CREATE TABLE other (id INTEGER NOT NULL, size INTEGER, PRIMARY KEY (id){check})")
    op.execute("INSERT INTO other SELECT id, size FROM t")
    op.execute("DROP TABLE t")
    op.execute("ALTER TABLE other RENAME TO t")
