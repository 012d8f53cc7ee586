"""The databases of a proof."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import text

from antarest.migration.scratch.databases import PostgresServer
from antarest.migration.verify.clones import Clones, DatabaseLocation


def test_the_time_limits_of_a_role_do_not_apply_in_a_proof(postgres: PostgresServer) -> None:
    limited = postgres.url.update_query_dict({"options": "-c statement_timeout=7s"})
    location = DatabaseLocation("postgresql", limited, "antarest_limited_")

    with closing(Clones(location)) as clones, clones.connected(clones.new()) as connection:
        limits = [connection.scalar(text("SHOW statement_timeout"))]
        connection.execute(text("RESET ALL"))
        limits.append(connection.scalar(text("SHOW statement_timeout")))
        clones.set_again(connection)
        limits.append(connection.scalar(text("SHOW statement_timeout")))
    location.drop_all()

    assert limits == ["0", "7s", "0"]
