"""A session that holds a system catalog is found and named through PgBouncer too."""

from __future__ import annotations

from antarest.migration.errors.base import EXIT_LOCKED
from tests.pgbouncer.conftest import Start, Through, refused
from tests.pgbouncer.test_lock import COUNTED
from tests.support.servers.bouncer import Mode
from tests.support.servers.roles import connected


def test_who_holds_a_system_catalog_is_named(start: Start, through: Through, mode: Mode) -> None:
    """PgBouncer refuses settings in the options of a connection, with which one could look into another database."""
    behind = start(mode=mode)
    here = through(behind, *COUNTED, connect_timeout=3, migration_lock_timeout=3)
    here.database.workflow.upgrade("first")
    with connected(behind.direct) as somebody:
        somebody.exec_driver_sql("SET application_name = 'somebody'")
        somebody.exec_driver_sql("LOCK TABLE pg_class")

        error = refused(here.module("upgrade"), "db.E407", EXIT_LOCKED)

    assert error.fact.startswith("cannot get a lock on pg_class")
    assert ", somebody, " in error.details["held by"]
