"""Two roles on a real PostgreSQL: one owns what migrations create, the other one is the application."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    URL,
    Connection,
    NullPool,
    create_engine,
    text,
)

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
