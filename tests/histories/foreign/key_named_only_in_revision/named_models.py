import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table(
    "t",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("code", sa.String(20), unique=True),  # Alembic finds no difference
    sa.Column("name", sa.String(20)),
    sa.UniqueConstraint("name", name="t_name"),
)
