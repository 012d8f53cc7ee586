"""It enforces foreign keys on SQLite, but not while the revisions run."""

import sqlalchemy as sa
from alembic import context

engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url"))
if engine.dialect.name == "sqlite":
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))

with engine.connect() as connection:
    if engine.dialect.name == "sqlite":
        connection.execute(sa.text("PRAGMA foreign_keys=OFF;"))
        connection.commit()
    context.configure(connection=connection, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
