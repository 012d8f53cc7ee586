"""Each command for the database as users run it: its exit code, its output, and its effect.

`inv db.VERB` and `python -m antarest.migration VERB` run the same code. Most tests use the first.
"""

from __future__ import annotations

import argparse
import json
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke.tasks import Task
from sqlalchemy import URL

from antarest.migration.commands.flags import HIDDEN
from antarest.migration.commands.program import _parser
from antarest.migration.commands.table import VERBS
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_UNREACHABLE
from antarest.migration.errors.revision import BASE
from antarest.migration.scratch.embedded_postgres import free_port
from tests.support.checks.layout import within
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.programs.user import User, assert_shows
from tests.support.projects.checkouts import ROOT, ConfigFile, Result, Run

HEAD = HISTORY.head
BELOW = HISTORY.states_below([HEAD])[0]
TASKS = "2ed6bf9f1690"  # its downgrade drops taskjob and taskjoblog
BEFORE_TASKS = HISTORY.states_below([TASKS])[0]
STUDY = "0146b79f723c"  # its downgrade loses nothing while no variant has a path
BEFORE_STUDY = HISTORY.states_below([STUDY])[0]


@pytest.fixture
def user_with_tasks(user: User) -> User:
    """A user whose database is at `TASKS`, and has three tasks with one log line each."""
    user.database.upgrade(TASKS)
    task = "INSERT INTO taskjob (id, name, status, creation_date) VALUES ('{0}', 'a', 'PENDING', '2021-01-01 00:00:00')"
    log = "INSERT INTO taskjoblog (id, message, task_id) VALUES ({0}, 'a', '{0}')"
    user.database.execute(*(text.format(number) for number in range(3) for text in (task, log)))
    return user


# ---- upgrade


def test_a_database_at_head_waits_for_neither_alembic_nor_the_modules_of_a_run(user: User) -> None:
    """Every start of an application runs an upgrade, which nearly always has nothing to do."""
    user.database.upgrade(HEAD)
    program = (
        "import sys; from antarest.migration.commands.table import run; "
        f"code = run('upgrade', config={str(user.config)!r}); print(*sys.modules); sys.exit(code)"
    )

    # A new Python: the processes of `user` have imported Alembic already.
    said = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).splitlines()

    needless = ("alembic", "antarest.migration.backup", "antarest.migration.losses", "antarest.migration.run.runner")
    assert said[-2] == f"nothing to do: the database is at {HEAD}"
    assert [name for name in said[-1].split() if any(within(name, each) for each in needless)] == []


def test_upgrade_goes_to_head_and_says_from_where_to_where(user: User) -> None:
    done = user.inv("upgrade", f"--to={BELOW}")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert_shows(done.out, str(user.config), user.database.workflow.database)
    assert_shows(done.out, f"{BASE} -> {BELOW}", *(f"s  {id_}  {HISTORY[id_].message}" for id_ in HISTORY.order[:-1]))
    assert_shows(done.out, f"upgraded: {len(HISTORY) - 1} revisions", f"the database is at {BELOW}")

    assert_shows(user.inv("upgrade").out, f"{BELOW} -> {HEAD} (1 revision)", "upgraded: 1 revision")
    assert user.current() == (HEAD,)

    again = user.inv("upgrade")

    assert (again.code, again.err) == (EXIT_DONE, "")
    assert_shows(again.out, f"nothing to do: the database is at {HEAD}")


def test_upgrade_stops_where_it_is_told_to_and_a_dry_run_changes_nothing(user: User) -> None:
    empty = user.database.schema()

    shown = user.inv("upgrade", "--to=2ed6", "--dry-run")

    assert shown.code == EXIT_DONE
    assert_shows(shown.out, f"{BASE} -> {TASKS}", f"  {BEFORE_TASKS}", f"  {TASKS}")
    assert HEAD not in shown.out
    assert user.current() == ()
    assert user.database.schema() == empty

    done = user.inv("upgrade", "--to=2ed6")

    assert done.code == EXIT_DONE
    assert_shows(done.out, f"the database is at {TASKS}")
    assert user.current() == (TASKS,)


# ---- status and history


def test_status_of_a_database_at_head(migrated_database: URL, config_file: ConfigFile) -> None:
    user = User(migrated_database, config_file(migrated_database))
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[migrated_database.get_backend_name()]

    text, data = user.inv("status"), user.inv("status", "--json")

    assert (text.code, text.err, data.code, data.err) == (EXIT_DONE, "", EXIT_DONE, "")
    found = json.loads(data.out)
    assert found["at_head"]
    assert (found["current"], found["heads"], found["pending"], found["unknown"]) == ([HEAD], [HEAD], [], [])
    assert (found["applied"], found["rollback_script_in_sync"]) == (len(HISTORY), True)
    assert found["database"] == user.database.workflow.database
    assert found["engine"].startswith(f"{name} ")
    assert_shows(text.out, str(user.config), found["database"], found["engine"], f"{HEAD} (head)", "none", "in sync")


def test_status_with_revisions_pending_ends_with_1(user_with_tasks: User) -> None:
    pending = HISTORY.pending([TASKS])

    text, data = user_with_tasks.inv("status"), user_with_tasks.inv("status", "--json")

    assert (text.code, data.code) == (EXIT_FAILED, EXIT_FAILED)
    assert json.loads(data.out)["pending"] == list(pending)
    assert_shows(text.out, f"current        {TASKS}\n", HEAD, f"{len(pending)}: {pending[0]}")
    assert_shows(text.out, f"{len(HISTORY) - len(pending)} of {len(HISTORY)} revisions")


def test_commands_that_look_create_no_database(sqlite_database: URL, config_file: ConfigFile) -> None:
    user = User(sqlite_database, config_file(sqlite_database))

    assert user.inv("status").code == EXIT_FAILED
    assert user.inv("history").code == EXIT_DONE
    assert user.inv("upgrade", "--dry-run").code == EXIT_DONE
    assert not Path(str(sqlite_database.database)).exists()


def test_status_of_a_server_that_does_not_answer_ends_with_3(postgres_database: URL, config_file: ConfigFile) -> None:
    port = free_port()
    url = postgres_database.set(host="127.0.0.1", port=port)
    user = User(url, config_file(url))

    assert refusal(user.inv("status"), "db.E301", EXIT_UNREACHABLE).details["database"].endswith(str(url.database))
    data = user.inv("status", "--json")
    assert (data.code, json.loads(data.out)["error"]["code"]) == (EXIT_UNREACHABLE, "db.E301")


def test_history_is_newest_first_with_a_mark_at_current_and_head(user_with_tasks: User) -> None:
    done = user_with_tasks.inv("history")

    assert (done.code, done.err) == (EXIT_DONE, "")
    lines = [line for line in done.out.splitlines() if line[2:14] in HISTORY]
    assert [line[2:14] for line in lines] == list(reversed(HISTORY.order))
    assert lines[0] == f"  {HEAD}  {HISTORY[HEAD].message}  (head)"
    assert [line for line in lines if line.startswith("*")] == lines[-len(HISTORY.applied([TASKS])) :]
    (current,) = [line for line in lines if "(current)" in line]
    assert current.startswith(f"* {TASKS}  {HISTORY[TASKS].message}  (current)  ")


# ---- rollback


def test_rollback_goes_one_revision_back_and_a_dry_run_nowhere(user: User) -> None:
    user.database.upgrade(STUDY)

    shown = user.inv("rollback", "--dry-run")

    assert shown.code == EXIT_DONE
    assert_shows(shown.out, f"{STUDY} -> {BEFORE_STUDY} (1 revision)", "study.path (empty)", "loses no data")
    assert user.current() == (STUDY,)

    done = user.inv("rollback")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert_shows(done.out, f"{STUDY} -> {BEFORE_STUDY}", "rolled back: 1 revision", f"is at {BEFORE_STUDY}")
    assert user.current() == (BEFORE_STUDY,)


def test_rollback_goes_several_steps_or_to_a_revision(user: User) -> None:
    states = HISTORY.states_below([STUDY])
    user.database.upgrade(STUDY)

    assert user.inv("rollback", "--steps=2").code == EXIT_DONE
    assert user.current() == (states[1],)
    assert user.inv("rollback", f"--to={states[3][:6]}").code == EXIT_DONE
    assert user.current() == (states[3],)
    assert user.inv("rollback", "--to=base").code == EXIT_DONE
    assert user.current() == ()
    again = user.inv("rollback", "--to=base")
    assert again.code == EXIT_DONE
    assert_shows(again.out, "nothing to do: the database is at base")


@pytest.mark.parametrize("flag", ["", "--yes"])
def test_rollback_loses_nothing_that_nobody_agreed_to(user_with_tasks: User, flag: str) -> None:
    rows = user_with_tasks.database.rows()

    done = user_with_tasks.inv("rollback", *filter(None, [flag]))

    assert_shows(done.out, "drops table taskjob (3 rows)", "drops table taskjoblog (3 rows)", "This loses data")
    refused = refusal(done, "db.E502", EXIT_FAILED)
    assert refused.details["loses"].startswith("taskjob: 3 rows")
    assert any("--allow-data-loss" in command for command in refused.commands)
    assert user_with_tasks.current() == (TASKS,)
    assert user_with_tasks.database.rows() == rows


def test_rollback_loses_what_was_agreed_to(user_with_tasks: User) -> None:
    done = user_with_tasks.inv("rollback", "--allow-data-loss")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert_shows(done.out, "lost taskjob: 3 rows", "lost taskjoblog: 3 rows", f"the database is at {BEFORE_TASKS}")
    assert user_with_tasks.current() == (BEFORE_TASKS,)


def test_rollback_asks_on_a_terminal_and_no_changes_nothing(user_with_tasks: User) -> None:
    command = ("inv", "db.rollback")

    done = user_with_tasks.at_terminal(*command, answer="n")

    assert done.code == EXIT_FAILED
    assert_shows(done.out, "drops table taskjob (3 rows)", "lose this? [y/N]", "db.E704", "Nothing was changed.")
    assert user_with_tasks.current() == (TASKS,)

    done = user_with_tasks.at_terminal(*command, answer="y")

    assert done.code == EXIT_DONE
    assert_shows(done.out, "lose this? [y/N]", f"the database is at {BEFORE_TASKS}")
    assert user_with_tasks.current() == (BEFORE_TASKS,)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("command", ["db.rollback", "db.reset --allow-production"])  # a container is not local
def test_a_signal_at_a_question_says_that_nothing_was_changed(
    user_with_tasks: User, command: str, number: signal.Signals
) -> None:
    before = user_with_tasks.database.rows()

    done = user_with_tasks.at_terminal("inv", *command.split(), signum=number)

    assert done.code == 128 + number
    assert_shows(done.out, "[y/N]", "interrupted: nothing was changed\n", "inv db.status")
    assert (user_with_tasks.current(), user_with_tasks.database.rows()) == ((TASKS,), before)


def test_a_terminal_gets_colours_unless_it_wants_none(user_with_tasks: User) -> None:
    command = ("inv", "db.rollback")

    assert "\x1b[31merror db.E704" in user_with_tasks.at_terminal(*command, answer="n").out
    assert "\x1b" not in user_with_tasks.at_terminal(*command, answer="n", env={"NO_COLOR": "1"}).out


# ---- the rest


def test_there_is_nothing_to_grant_where_one_role_does_all(user: User) -> None:
    user.database.upgrade(TASKS)

    done = user.inv("grant")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert_shows(done.out, "nothing to do")


# ---- one set of commands, two ways in


def test_each_verb_works_without_invoke(user: User) -> None:
    def run(verb: str, *flags: str, code: int = EXIT_DONE) -> Result:
        done = user.module(verb, *flags)
        assert done.code == code, done.err
        return done

    assert_shows(run("upgrade", f"--to={STUDY}").out, f"the database is at {STUDY}")
    assert_shows(run("status", code=EXIT_FAILED).out, f"current        {STUDY}\n")
    assert_shows(run("history").out, f"* {STUDY}", "(current)")
    assert_shows(run("rollback", "--steps=1").out, f"the database is at {BEFORE_STUDY}")
    assert_shows(run("grant").out, "nothing to do")
    assert user.current() == (BEFORE_STUDY,)


def test_tasks_and_module_have_the_same_verbs_flags_and_words() -> None:
    namespace = runpy.run_path(str(ROOT / "tasks.py"))["namespace"]  # Invoke returns the words only once
    assert namespace.collections.keys() == {"db"}
    by_name = namespace.collections["db"].tasks
    invoke = {name: _invoke_flags(task) for name, task in by_name.items()}
    verbs = next(action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    module = {name: _module_flags(parser) for name, parser in verbs.choices.items()}

    assert invoke == module
    assert invoke.keys() == VERBS.keys()
    for name, task in by_name.items():
        assert (task.__doc__ or "").strip() == verbs.choices[name].description


def _invoke_flags(task: Task[Callable[..., None]]) -> dict[str, str]:
    return {str(argument.name).rstrip("_"): str(argument.help) for argument in task.get_arguments()}


def _module_flags(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the flags without the help, and without the flag that only rollback.sh uses."""
    names = {
        (action.option_strings or [action.dest])[-1].lstrip("-").replace("-", "_"): action for action in parser._actions
    }
    return {name: str(action.help) for name, action in names.items() if name != "help" and action.help != HIDDEN}


def test_the_list_of_commands_explains_itself(run: Run) -> None:
    done = run("inv", "--list")

    assert done.code == EXIT_DONE
    words = " ".join(done.out.split())
    for name, verb in VERBS.items():
        assert f"db.{name} {(verb.call.__doc__ or '').partition(chr(10))[0]}" in words
