"""create river"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"river": "created by this revision"}}


def upgrade():
    op.create_table(
        "river",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, server_default="unnamed"),
        sa.Column("length", sa.Numeric(10, 2), sa.CheckConstraint("length >= 0", name="ck_river_length")),
        sa.Column("metres", sa.Numeric(14, 2), sa.Computed("length * 1000", persisted=True)),
        sa.Column("is_navigable", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("seen_at", sa.DateTime, server_default=sa.func.now()),
        sa.Column("seen_on", sa.Date),
        sa.Column("about", sa.JSON, server_default='{"b": 1, "a": "50%"}'),
        sa.Column("slope", sa.Numeric(4, 2), server_default=sa.text("0.50")),
        sa.Column("mapped_at", sa.DateTime, server_default="2020-01-31 12:00:00"),
        sa.Column("map", sa.LargeBinary),
        sa.Column("key", sa.Uuid),
        sa.Column("flow", sa.Float),
    )
    op.create_index("ix_river_name", "river", [sa.text("lower(name)")], unique=False)
    op.create_index(
        "uq_river_key",
        "river",
        ["key"],
        unique=True,
        sqlite_where=sa.text("key IS NOT NULL"),
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.execute("CREATE VIEW long_river AS SELECT id, name FROM river WHERE length > 1000")


def downgrade():
    op.execute("DROP VIEW long_river")
    op.drop_table("river")
