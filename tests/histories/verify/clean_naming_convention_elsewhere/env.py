from alembic import context
from river_names import NAMES
from sqlalchemy import MetaData, create_engine

target_metadata = MetaData(naming_convention=NAMES)

with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection, target_metadata=target_metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
