"""Two roles on a real PostgreSQL: one runs the migrations, the other one is the application's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import URL, Connection, NullPool, create_engine, text

from antarest.migration.errors.settings.urls import normalise_url

PASSWORD = "two@roles"


@dataclass(frozen=True)
class Roles:
    """An empty database with two roles that can log in, and its superuser."""

    superuser: URL
    owner: URL
    application: URL

    def execute(self, url: URL, *statements: str) -> None:
        """Run statements as one of the roles."""
        with connected(url) as connection:
            for statement in statements:
                connection.execute(text(statement))
            connection.commit()


def connected(url: URL) -> Connection:
    return create_engine(url, poolclass=NullPool).connect()


@contextmanager
def two_roles(database: URL) -> Iterator[Roles]:
    """Make the two roles in an empty database, and drop them at the end."""
    superuser = normalise_url(database)
    names = [f"{kind}_{superuser.database}" for kind in ("owner", "application")]
    roles = Roles(superuser, *(superuser.set(username=name, password=PASSWORD) for name in names))
    roles.execute(superuser, *(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'" for name in names))
    roles.execute(superuser, f"GRANT CREATE, USAGE ON SCHEMA public TO {names[0]} WITH GRANT OPTION")
    yield roles
    for name in names:  # the owner first, since the other role's rights depend on it
        roles.execute(superuser, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def execute(url: URL, *statements: str) -> None:
    """Run statements, each in its own transaction or in none."""
    engine = create_engine(normalise_url(url), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


@contextmanager
def owner_of(database: URL, password: str) -> Iterator[URL]:
    """Make a new role with this password the owner of a database. At the end, drop the role and its databases."""
    name = f"role_{database.database}"
    execute(
        database,
        f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD '{password}'",
        f"ALTER DATABASE {database.database} OWNER TO {name}",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {name}",
    )
    yield database.set(username=name, password=password)
    for other in _databases_of(database, name) - {database.database}:
        execute(database, f"DROP DATABASE {other} WITH (FORCE)")
    execute(database, f"REASSIGN OWNED BY {name} TO CURRENT_USER", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def _databases_of(database: URL, role: str) -> set[str]:
    """Return the databases of a role, also those that a restore has replaced."""
    query = text("SELECT datname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba WHERE rolname = :role")
    with connected(database) as connection:
        return set(connection.execute(query, {"role": role}).scalars())
