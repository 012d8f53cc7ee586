"""written for SQLAlchemy 1.4"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session

revision = "r2"
down_revision = "r1"
lossy = {"downgrade": {"t.size": "computed again"}}


def upgrade():
    op.add_column("t", sa.Column("size", sa.String(5)))
    bind = op.get_bind()
    metadata = sa.MetaData(bind=bind)
    metadata.reflect()
    table = sa.Table("t", sa.MetaData(bind=bind), autoload=True)
    short = sa.case([(sa.func.length(table.c.name) < 5, "short")], else_="long")
    sizes = [dict(row) for row in bind.execute(sa.select([table.c.id, short.label("size")]))]
    for row in bind.execute("SELECT id FROM t"):
        found = next(each["size"] for each in sizes if each["id"] == row["id"])
        bind.execute(sa.text("UPDATE t SET size = :size WHERE id = :id"), size=found, id=row["id"])
    session = Session(bind)
    session.execute("UPDATE t SET size = 'none' WHERE name IS NULL")
    bind.execute(
        sa.text("UPDATE t SET size = :size WHERE id = :id"), {"size": "none", "id": -1}, {"size": "", "id": -2}
    )
    assert metadata.tables.keys() >= {"t"}


def downgrade():
    op.drop_column("t", "size")
