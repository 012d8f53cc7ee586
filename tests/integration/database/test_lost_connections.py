"""A cut connection: all or nothing is done, an error says which, and a second run completes the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_UNREACHABLE, NOTHING_CHANGED
from tests.support.programs.runs import GATE, Runner, Start, refused
from tests.support.projects.histories import Script
from tests.support.servers.cuts import Proxy

FIRST = Script("first", upgrade='sql("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)")')
SECOND = Script("second", upgrade=f'sql("INSERT INTO t VALUES (2)")\n{GATE}sql("INSERT INTO t VALUES (3)")')


def test_a_session_that_an_administrator_ends(runner: Start, postgres_database: URL) -> None:
    here = runner(postgres_database, FIRST, SECOND)
    here.database.workflow.upgrade("first")
    run = here.started()
    # This is the connection that migrates. The other one, which holds the first lock, runs no INSERT.
    here.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'INSERT INTO t%' AND datname = current_database()"
    )
    here.open()

    error = refused(run, "db.E309", EXIT_UNREACHABLE)

    assert error.state.startswith(f"{NOTHING_CHANGED} The run was rolled back; the database is still at first.")
    assert error.details["during"] == "the upgrade of revision second"
    assert here.database.value("SELECT count(*) FROM t") == 1
    assert here.module("upgrade").end().code == EXIT_DONE
    assert here.database.value("SELECT count(*) FROM t") == 3


@pytest.fixture
def cut(runner: Start, postgres_database: URL) -> Iterator[Callable[..., tuple[Runner, Proxy]]]:
    """A database behind a proxy, at its first revision: `cut(OWN, lets_it_pass=True)`."""
    with ExitStack() as stack:

        def build(*scripts: Script, **wishes: Any) -> tuple[Runner, Proxy]:
            here = runner(postgres_database, FIRST, SECOND, *scripts)
            here.database.workflow.upgrade("first")
            here.open()
            proxy = Proxy(postgres_database, **wishes)
            stack.callback(proxy.close)
            here.configure(proxy.url)
            return here, proxy

        yield build


def test_a_commit_whose_answer_is_lost_is_seen_by_a_second_connection(cut: Callable[..., tuple[Runner, Proxy]]) -> None:
    here, proxy = cut(lets_it_pass=True)

    ended = here.module("upgrade").end()

    assert (ended.code, ended.err) == (EXIT_DONE, "")
    assert proxy.has_cut
    assert "upgraded: 1 revision" in ended.out
    assert here.database.workflow.current() == ("second",)
    assert here.database.value("SELECT count(*) FROM t") == 3


def test_a_commit_that_did_not_arrive_is_none(cut: Callable[..., tuple[Runner, Proxy]]) -> None:
    here, proxy = cut(lets_it_pass=False)

    error = refused(here.module("upgrade"), "db.E309", EXIT_UNREACHABLE)

    assert proxy.has_cut
    assert error.state.startswith(f"{NOTHING_CHANGED} The run was rolled back; the database is still at first.")
    assert here.database.value("SELECT count(*) FROM t") == 1
    assert here.module("upgrade").end().code == EXIT_DONE


def test_a_commit_of_which_nobody_can_be_asked_is_not_called_anything_else(
    cut: Callable[..., tuple[Runner, Proxy]],
) -> None:
    here, _ = cut(lets_it_pass=True, lets_in=0)

    error = refused(here.module("upgrade"), "db.E309", EXIT_UNREACHABLE)

    assert error.state == "The connection was lost during a commit: the database is at first, or where that led to."


def test_a_commit_that_nobody_can_read_again_is_said_to_be_one(cut: Callable[..., tuple[Runner, Proxy]]) -> None:
    here, proxy = cut(cuts=False, lets_in=0)

    error = refused(here.module("upgrade"), "db.E301", EXIT_UNREACHABLE)

    assert not proxy.has_cut
    assert (
        error.state == "Stopped at second: 1 of 1 revisions was applied. It was committed, and could not be read again."
    )
    assert here.database.workflow.current() == ("second",)


def test_a_server_that_goes_away_between_two_segments(cut: Callable[..., tuple[Runner, Proxy]]) -> None:
    """The commit is confirmed. Then the next segment cannot connect."""
    third = Script("third", upgrade='sql("INSERT INTO t VALUES (4)")', transaction="own")
    here, _ = cut(third, cuts=False, lets_in=1)

    error = refused(here.module("upgrade"), "db.E301", EXIT_UNREACHABLE)

    assert error.state == "Stopped at second: 1 of 2 revisions was applied."
    assert here.module("upgrade").end().code == EXIT_UNREACHABLE
    assert here.database.workflow.current() == ("second",)
