import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table(
    "t",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("s", sa.Integer, sa.ForeignKey("s.id", name="t_s")),
)
