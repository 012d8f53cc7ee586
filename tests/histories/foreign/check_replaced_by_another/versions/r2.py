"""A longer list, by rebuilding the table by hand."""

from alembic import op

revision = "r2"
down_revision = "r1"


def _replace(labels):
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE t DROP CONSTRAINT t_status_check")
        op.execute(f"ALTER TABLE t ADD CONSTRAINT t_status_check CHECK (status IN ({labels}))")
        return
    op.execute(f"CREATE TABLE n (id INTEGER NOT NULL PRIMARY KEY, status VARCHAR(20), CHECK (status IN ({labels})))")
    op.execute("INSERT INTO n SELECT id, status FROM t")
    op.execute("DROP TABLE t")
    op.execute("ALTER TABLE n RENAME TO t")


def upgrade():
    _replace("'A', 'B', 'C'")


def downgrade():
    op.execute("UPDATE t SET status = NULL WHERE status = 'C'")
    _replace("'A', 'B'")
