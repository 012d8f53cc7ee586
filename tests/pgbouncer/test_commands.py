"""All commands through a PgBouncer with its default configuration, which allows all parameters that we send."""

from __future__ import annotations

import json

from sqlalchemy import URL, text

from antarest.migration.errors.base import EXIT_DONE, EXIT_USAGE
from tests.pgbouncer.conftest import Start
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.programs.user import User, assert_shows
from tests.support.projects.checkouts import ConfigFile
from tests.support.servers.bouncer import Mode
from tests.support.servers.roles import Roles, connected

HEAD = HISTORY.head
BEFORE_HEAD = HISTORY.states_below([HEAD])[0]


def test_up_and_down_with_rows_in_every_table(user: User) -> None:
    done = user.inv("upgrade")
    assert (done.code, done.err) == (EXIT_DONE, "")
    rows = user.database.fill()

    back = user.inv("rollback", "--steps=3", "--yes", "--allow-data-loss")
    assert (back.code, back.err) == (EXIT_DONE, "")
    again = user.inv("upgrade")

    assert (again.code, again.err) == (EXIT_DONE, "")
    assert user.current() == (HEAD,)
    assert user.database.rows().tables["study"] == rows.tables["study"]


def test_plain_alembic(user: User) -> None:
    for command in ("upgrade head", "downgrade -1", "current", "upgrade head"):
        done = user.run("alembic", *command.split())
        assert done.code == EXIT_DONE, done.err
    assert user.current() == (HEAD,)


def test_looking(user: User) -> None:
    user.database.upgrade(BEFORE_HEAD)

    assert_shows(user.inv("status").out, f"current        {BEFORE_HEAD}\n", "pending        1: ")
    assert_shows(user.inv("history").out, f"* {BEFORE_HEAD}", "(current)")
    assert_shows(user.inv("rollback", "--dry-run").out, f"{BEFORE_HEAD} -> ")
    assert user.current() == (BEFORE_HEAD,)


def test_reset(user: User) -> None:
    user.database.upgrade()
    user.database.execute("INSERT INTO tag (label) VALUES ('winter')")

    done = user.inv("reset", "--yes", "--allow-data-loss")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert user.database.query("SELECT count(*) FROM tag") == [(0,)]
    assert user.current() == (HEAD,)


def test_two_roles(start: Start, roles: Roles, mode: Mode, config_file: ConfigFile) -> None:
    behind = start(roles.owner, roles.application, mode=mode)
    owner, application = behind.as_role(roles.owner), behind.as_role(roles.application)
    user = User(application, config_file(application, db={"admin_url": owner.render_as_string(hide_password=False)}))
    assert user.inv("upgrade").code == EXIT_DONE
    roles.execute(roles.owner, f"REVOKE INSERT ON study FROM {roles.application.username}")

    granted = user.inv("grant")

    assert_shows(granted.out, "GRANT INSERT ON TABLE")
    assert json.loads(user.inv("status", "--json").out)["missing_grants"] == []
    with connected(application) as connection:
        assert connection.execute(text("SELECT * FROM study")).all() == []


# ---- what the URL asks for


def test_parameters_that_it_passes_on(start: Start, config_file: ConfigFile) -> None:
    query = {"keepalives": "1", "client_encoding": "utf8", "target_session_attrs": "read-write"}
    url = start().url.set(query=query)
    user = User(url, config_file(url))

    assert user.inv("upgrade").code == EXIT_DONE


def test_connection_options_are_refused_and_no_retry_is_offered(start: Start, config_file: ConfigFile) -> None:
    url = start().url.set(query={"options": "-c search_path=public"})
    user = User(url, config_file(url))

    for done in (user.inv("upgrade"), user.run("alembic", "upgrade", "head")):
        refused = refusal(done, "db.E306", EXIT_USAGE)
        assert refused.details["reason"] == "unsupported startup parameter: options"


def test_connection_options_that_pgbouncer_is_told_to_ignore(start: Start, config_file: ConfigFile) -> None:
    url = start(ignore_startup_parameters="options").url.set(query={"options": "-c search_path=public"})
    user = User(url, config_file(url))

    assert user.inv("upgrade").code == EXIT_DONE


def test_a_database_that_does_not_exist_and_a_wrong_password(start: Start, config_file: ConfigFile) -> None:
    behind: URL = start().url
    for url, code in ((behind.set(database="nowhere"), "db.E305"), (behind.set(password="wrong"), "db.E303")):
        refusal(User(url, config_file(url)).inv("upgrade"), code, EXIT_USAGE)
