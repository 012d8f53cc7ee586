import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table(
    "t",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("code", sa.String(20)),
    sa.Column("name", sa.String(20)),
    sa.UniqueConstraint("code", name="t_code"),
    sa.UniqueConstraint("name", name="t_of_name"),
)
