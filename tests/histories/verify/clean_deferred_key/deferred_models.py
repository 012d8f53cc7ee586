import sqlalchemy as sa

metadata = sa.MetaData()
key = sa.ForeignKey("river.id", name="river_into", deferrable=True, initially="DEFERRED")
river = sa.Table(
    "river", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("into", sa.Integer, key, index=True)
)
