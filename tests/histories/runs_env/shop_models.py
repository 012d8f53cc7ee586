"""The models of a shop. Another program makes one of the tables."""

import sqlalchemy as sa

metadata = sa.MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"})
sa.Table("item", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("code", sa.Integer, unique=True))
sa.Table("legacy", metadata, sa.Column("id", sa.Integer, primary_key=True))
