"""Two roles on a real PostgreSQL: one owns what migrations create, the other one is the application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import URL, Connection, NullPool, create_engine, text

from antarest.core.config import normalise_url

PASSWORD = "two@roles"


@dataclass(frozen=True)
class Roles:
    """An empty database with two roles that can log in, and its superuser."""

    superuser: URL
    owner: URL
    application: URL

    def execute(self, url: URL, *statements: str) -> None:
        """Run statements as one of them."""
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
    for name in names:  # the owner first: the rights that it gave depend on its own
        roles.execute(superuser, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")
