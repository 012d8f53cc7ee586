import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table(
    "river",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40)),
    sa.Column("length", sa.Integer),
)
