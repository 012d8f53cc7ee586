"""The server, started as a user starts it: its output, and the starts that it refuses."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest
import yaml
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, NOTHING_CHANGED
from antarest.migration.errors.revision import BASE
from antarest.migration.errors.settings.urls import redact_url
from antarest.migration.project.project import Project
from antarest.migration.scratch.embedded_postgres import free_port
from antarest.web.errors.launching import NotInstalled
from tests.support.checks.refusals import SECRET, parse, refusal
from tests.support.data.database import HISTORY, Database
from tests.support.programs.processes import FRESH
from tests.support.projects.checkouts import ROOT, Checkout, ConfigFile, Result, run
from tests.support.servers.server import server

PREDECESSOR = HISTORY.order[-2]
NEWER = "c0ffee123456"


def start(config: Path | str, *flags: str, cwd: Path = ROOT) -> Result:
    """Start a server that has to be refused, on a free port."""
    return run("python", "antarest/main.py", f"--config={config}", "--port=0", *flags, cwd=cwd)


# ---- it starts


def test_it_says_what_it_works_with_and_where_it_listens(migrated_database: URL, config_file: ConfigFile) -> None:
    config = config_file(migrated_database)
    with server(config) as started:
        assert started.get("/api/health").json() == {"status": "ok", "revision": HISTORY.head}
        address = started.url
        ended = started.stop()

    assert (ended.code, ended.err) == (EXIT_DONE, "")
    assert ended.out.splitlines() == [
        f"project        {Project.own().ini}",
        f"configuration  {config}",
        f"database       {redact_url(migrated_database)}",
        f"schema         {HISTORY.head} (head)",
        f"listening      {address}",
        "stopped",
    ]


def test_it_listens_on_loopback_alone(migrated_database: URL, config_file: ConfigFile) -> None:
    with server(config_file(migrated_database)) as started:
        port = int(started.url.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((_address_of_this_machine(), port), timeout=10)


def test_flags_win_over_the_configuration(migrated_database: URL, config_file: ConfigFile) -> None:
    config = config_file(migrated_database, server={"host": "203.0.113.7", "port": 1})
    with server(config, "--host=localhost") as started:
        assert started.get("/api/version").status_code == 200


def test_the_configuration_says_where_to_listen(migrated_database: URL, config_file: ConfigFile) -> None:
    port = free_port()
    config = config_file(migrated_database, server={"port": port})
    with server(config) as started:  # no: --port=0 wins
        assert not started.url.endswith(f":{port}")
    with server(config, f"--port={port}") as started:
        assert started.url == f"http://127.0.0.1:{port}"


def test_it_works_with_the_code_beside_it_from_any_folder(
    migrated_database: URL, config_file: ConfigFile, checkout: Checkout, tmp_path: Path
) -> None:
    """Another checkout may be installed, and the current folder may have another Alembic project."""
    version = checkout.path / "antarest" / "migration" / "__init__.py"
    version.write_text(re.sub(r'__version__ = ".*"', '__version__ = "0.0.beside"', version.read_text()))
    shutil.copytree(ROOT / "tests" / "histories" / "merge", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "antarest").symlink_to(checkout.path / "antarest")
    with server(config_file(migrated_database), cwd=tmp_path / "elsewhere") as started:
        assert started.get("/api/version").json()["version"] == "0.0.beside"
        assert started.get("/api/database").json()["head"] == HISTORY.head


# ---- an older database


@pytest.mark.parametrize(("revision", "fact"), [(PREDECESSOR, "older than this application"), (BASE, "empty")])
def test_an_older_database_is_refused_with_what_is_pending(
    empty_database: URL, config_file: ConfigFile, revision: str, fact: str
) -> None:
    database = Database(empty_database)
    database.upgrade(revision)
    config = config_file(empty_database)
    before = _state(database)

    refused = refusal(start(config), "app.E104", EXIT_FAILED)

    pending = HISTORY.pending([revision] if revision != BASE else [])
    number = "1 revision is" if len(pending) == 1 else f"{len(pending)} revisions are"
    assert refused.fact == f"the database is {fact}: {number} pending"
    assert refused.details["pending"].startswith(pending[0])
    assert (refused.details["current"], refused.details["head"]) == (revision, HISTORY.head)
    assert refused.commands[0] == f"inv db.upgrade --config={config}"
    assert refused.commands[1].endswith(f"antarest/main.py --config={config} --port=0 --auto-upgrade-db")
    assert _state(database) == before


def test_an_older_database_is_upgraded_when_it_is_told_to(empty_database: URL, config_file: ConfigFile) -> None:
    database = Database(empty_database)
    database.upgrade(HISTORY.order[-3])
    with server(config_file(empty_database), "--auto-upgrade-db") as started:
        assert started.get("/api/health").status_code == 200
        out = started.out

    assert f"upgrade        {HISTORY.order[-3]} -> {HISTORY.head} (2 revisions)" in out
    lines = [line.split() for line in out.splitlines() if line.startswith("  up")]
    assert [line[3] for line in lines] == list(HISTORY.order[-2:])
    assert f"schema         {HISTORY.head} (head)" in out
    assert database.workflow.current() == (HISTORY.head,)


@pytest.mark.parametrize("flags", [[], ["--auto-upgrade-db"]])
def test_a_database_that_is_newer_is_refused_as_such(
    migrated_database: URL, config_file: ConfigFile, flags: list[str]
) -> None:
    database = Database(migrated_database)
    database.execute(f"UPDATE alembic_version SET version_num = '{NEWER}'")
    before = _state(database)

    refused = refusal(start(config_file(migrated_database), *flags), "db.E211", EXIT_FAILED)

    assert refused.fact == "this database was upgraded by a newer version of AntaREST"
    assert (refused.details["current"], refused.details["this code"]) == (NEWER, f"its head is {HISTORY.head}")
    assert [command.partition(" --config")[0] for command in refused.commands] == ["inv db.sync"]
    assert _state(database) == before


# ---- what it does not need


def test_at_head_it_asks_one_question_and_loads_no_alembic(migrated_database: URL, config_file: ConfigFile) -> None:
    """This also holds with `--auto-upgrade-db`. Nothing of the application is imported before the question."""
    program = """
import sys
from sqlalchemy import Engine, event
from antarest.web import launch
from antarest.web.arguments import LaunchOptions
asked = []
event.listen(Engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
def serve(session, settings):
    launch.require_head(session, upgrade=True, command="antarest")
    print([each for each in asked if each != "BEGIN" and "set_config(" not in each])
    print([name for name in ("alembic", "fastapi", "uvicorn", "pydantic", "antarest.dbmodel") if name in sys.modules])
    launch.make_app(session)
    print([name for name in ("alembic",) if name in sys.modules], "fastapi" in sys.modules)
    return 0
settings = LaunchOptions("antarest", config=sys.argv[1])
sys.exit(launch.run(settings, lambda session: serve(session, settings)))
"""
    done = run("python", "-c", program, config_file(migrated_database), env=FRESH)  # in which nothing is imported yet

    assert done.out.splitlines() == [
        f"schema         {HISTORY.head} (head)",
        "['SELECT version_num FROM alembic_version']",
        "[]",
        "[] True",
    ]


def test_at_head_nothing_is_locked(migrated_database: URL, config_file: ConfigFile) -> None:
    """Another session may migrate, or hold the version table, for any time."""
    with Database(migrated_database).connected() as connection:
        if migrated_database.get_backend_name() == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("LOCK TABLE alembic_version IN EXCLUSIVE MODE")
        with server(config_file(migrated_database), "--auto-upgrade-db") as started:
            assert started.get("/api/health").status_code == 200


# ---- what cannot be launched


def test_a_port_that_is_taken_is_said_before_anything_changes(empty_database: URL, config_file: ConfigFile) -> None:
    config = config_file(empty_database)
    before = _state(Database(empty_database))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        refused = refusal(start(config, f"--port={port}", "--auto-upgrade-db"), "app.E101", EXIT_FAILED)

    assert refused.fact.startswith(f"port {port} of 127.0.0.1 is taken by ")
    assert refused.fact.endswith(f"(process {os.getpid()})")
    assert refused.state == NOTHING_CHANGED
    assert _state(Database(empty_database)) == before


def test_a_second_server_on_the_same_port_names_the_first(migrated_database: URL, config_file: ConfigFile) -> None:
    config = config_file(migrated_database)
    with server(config, env=FRESH) as first:  # with another command line
        port = first.url.rpartition(":")[2]
        refused = refusal(start(config, f"--port={port}"), "app.E101", EXIT_FAILED)
        assert first.get("/api/health").status_code == 200

    assert f"antarest/main.py --config={config}" in refused.fact or "..." in refused.fact
    assert f"(process {first.process.pid})" in refused.fact


def test_two_servers_on_one_database_do_not_disturb_each_other(migrated_database: URL, config_file: ConfigFile) -> None:
    config = config_file(migrated_database)
    with server(config) as first, server(config) as second:
        assert [each.get("/api/studies").status_code for each in (first, second)] == [200, 200]


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--port=http"], "usage.E101"),
        (["--port=70000"], "usage.E101"),
        (["--host=203.0.113.7"], "app.E102"),
        (["--host=nowhere.invalid"], "app.E102"),
        (["--host="], "usage.E101"),
        (["--auto-upgrade"], "usage.E101"),
    ],
)
def test_a_command_line_that_cannot_be(
    empty_database: URL, config_file: ConfigFile, flags: list[str], code: str
) -> None:
    before = _state(Database(empty_database))

    refusal(start(config_file(empty_database), *flags), code, EXIT_USAGE)
    assert _state(Database(empty_database)) == before


CONFIGURATIONS = {
    "missing": (None, "config.E101"),
    "empty": ("", "config.E102"),
    "not YAML": (f"db: [url: '{SECRET}'", "config.E103"),
    "an unknown key": ("db: {url: 'sqlite:///a.db'}\nserver: {prot: 80}", "config.E106"),
    "a port that is none": ("db: {url: 'sqlite:///a.db'}\nserver: {port: 0}", "config.E108"),
    "in memory": ("db: {url: 'sqlite://'}", "db.E701"),
    "a folder that is missing": ("db: {url: 'sqlite:///nowhere/a.db'}", "db.E305"),
}


@pytest.mark.parametrize(("content", "code"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, content: str | None, code: str) -> None:
    config = tmp_path / "application.yaml"
    if content is not None:
        config.write_text(content, encoding="utf-8")

    refused = refusal(start(config), code, EXIT_USAGE)
    assert refused.state == NOTHING_CHANGED
    assert [each.name for each in tmp_path.iterdir()] == ([] if content is None else ["application.yaml"])


def test_a_configuration_that_turns_invalid_does_not_touch_the_server_that_runs(
    migrated_database: URL, config_file: ConfigFile
) -> None:
    config = config_file(migrated_database)
    with server(config) as started:
        started.get("/api/health")
        config.write_text(yaml.safe_dump({"db": {"ulr": "x"}}), encoding="utf-8")
        refusal(start(config), "config.E106", EXIT_USAGE)
        assert started.get("/api/health").status_code == 200
        assert started.stop().code == EXIT_DONE


def test_a_server_that_is_not_there_is_said(config_file: ConfigFile) -> None:
    port = free_port()

    refused = refusal(start(config_file(f"postgresql://me:{'s3cr3t'}@127.0.0.1:{port}/antarest")), "db.E301", 3)
    assert refused.details["database"] == f"postgresql://me:***@127.0.0.1:{port}/antarest"


# ---- without what it needs


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python without any packages."""
    done = run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare")
    assert done.code == 0, done.err
    return tmp_path / "bare" / "bin" / "python"


def test_a_python_without_the_packages_is_told_what_to_do_first(bare: Path, tmp_path: Path) -> None:
    done = run(bare, ROOT / "antarest" / "main.py", cwd=tmp_path)

    refused = parse(done.err)
    expected = NotInstalled(f"this Python has no package alembic: {bare}", "antarest/main.py")
    assert (done.code, done.out, refused.code) == (EXIT_USAGE, "", NotInstalled.code)
    assert refused.fact == expected.message
    assert refused.hints == tuple((f"{hint.text}:", hint.command) for hint in expected.hints)


def _address_of_this_machine() -> str:
    """Return an address of this machine that is not loopback; otherwise a loopback address on which nothing listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])


def _state(database: Database) -> object:
    """Return the content of a database; None if the file does not exist."""
    file = Path(str(database.url.database))
    if database.url.get_backend_name() == "sqlite" and not file.exists():
        return None
    return database.workflow.current(), database.schema(), database.rows()
