"""Makes the table, as the application does."""

import sqlalchemy as sa

metadata = sa.MetaData()
river = sa.Table("river", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("length", sa.Integer))


def make(connection):
    metadata.create_all(connection)
