import sqlalchemy as sa

from rivers_forgotten.registry import metadata

sa.Table(
    "river",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40)),
    sa.UniqueConstraint("name", name="uq_river_name"),
)
