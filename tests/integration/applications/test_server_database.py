"""The server and its database: a database that goes away, changes, is read-only, or lacks rights."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_LOCKED
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from antarest.migration.scratch.embedded_postgres import EmbeddedServer, embedded_server
from antarest.migration.testing import NewDatabase
from antarest.web.errors.launching import RightsMissing
from antarest.web.reading.database import Database as Application
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY, Database
from tests.support.programs.runs import session
from tests.support.projects.checkouts import ROOT, ConfigFile, run
from tests.support.servers.proxy import network
from tests.support.servers.roles import Roles
from tests.support.servers.server import HANGS, Server, server, wait_until

PREDECESSOR = HISTORY.order[-2]


def code_of(answer: httpx.Response) -> str:
    assert "Traceback" not in answer.text
    return str(answer.json()["error"]["code"])


# ---- gone, and back


@pytest.fixture
def postgres_of_its_own() -> Iterator[EmbeddedServer]:
    """A PostgreSQL server that only this test stops and starts."""
    with embedded_server({"fsync": "off"}) as running:
        yield running


def test_a_restart_of_postgresql_is_survived(postgres_of_its_own: EmbeddedServer, config_file: ConfigFile) -> None:
    url = postgres_of_its_own.url
    Database(url).upgrade()
    with server(config_file(url)) as started:
        assert started.get("/api/studies").status_code == 200
        for _ in range(2):
            postgres_of_its_own.stop()
            for path in ("/api/health", "/api/studies", "/api/database", "/api/tasks", "/api/studies/x"):
                answer = started.get(path)
                assert (answer.status_code, code_of(answer)) == (503, "db.E301"), path
                assert str(url.port) not in answer.text
            assert started.get("/api/version").status_code == 200
            postgres_of_its_own.start()
            for path in ("/api/health", "/api/studies", "/api/database", "/api/tasks"):
                assert started.get(path).status_code == 200, path
        ended = started.stop()

    assert ended.code == EXIT_DONE
    assert "cannot connect to PostgreSQL on 127.0.0.1" in ended.err
    assert "Traceback" not in ended.err
    assert str(url.password) not in ended.err + ended.out


def test_a_query_under_way_when_postgresql_stops_is_answered(
    postgres_of_its_own: EmbeddedServer, config_file: ConfigFile
) -> None:
    url = postgres_of_its_own.url
    Database(url).upgrade()
    answers: list[httpx.Response] = []
    with server(config_file(url)) as started, create_engine(url, poolclass=NullPool).connect() as holder:
        address = f"{started.url}/api/studies"
        holder.execute(text("LOCK TABLE study"))
        asking = threading.Thread(target=lambda: answers.append(httpx.get(address, timeout=HANGS)))
        asking.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        wait_until(lambda: bool(holder.scalar(waiting)))
        postgres_of_its_own.stop()
        asking.join(HANGS)
        holder.invalidate()
        assert (answers[0].status_code, code_of(answers[0])) == (503, "db.E309")
        postgres_of_its_own.start()
        assert started.get("/api/studies").status_code == 200


def test_a_server_that_hangs_is_said_within_seconds(postgres_database: URL, config_file: ConfigFile) -> None:
    Database(postgres_database).upgrade()
    with network(postgres_database) as between, server(config_file(between.url)) as started:
        assert started.get("/api/studies").status_code == 200
        between.freeze()
        health = started.get("/api/health")
        assert (health.status_code, code_of(health)) == (503, "app.E504")
        assert health.json()["error"]["message"] == "the database did not answer within 3 seconds"
        between.thaw()
        wait_until(lambda: started.get("/api/health").status_code == 200)
        assert started.get("/api/studies").status_code == 200


def test_the_session_that_a_probe_waits_for_is_named_in_the_log(
    postgres_database: URL, config_file: ConfigFile
) -> None:
    Database(postgres_database).upgrade()
    with server(config_file(postgres_database)) as started:
        assert started.get("/api/health").status_code == 200
        with session(postgres_database, "LOCK TABLE alembic_version"):
            health = started.get("/api/health")
        assert (health.status_code, code_of(health)) == (503, "db.E407")
        assert "GET /api/health: error db.E407: cannot get a lock on alembic_version" in started.err
        assert ", somebody, " in started.err
        assert "somebody" not in health.text


def test_a_file_that_is_gone_is_said_and_not_made_anew(sqlite_migrated: URL, config_file: ConfigFile) -> None:
    file = Path(str(sqlite_migrated.database))
    with server(config_file(sqlite_migrated)) as started:
        started.get("/api/health")
        away = file.rename(file.with_suffix(".away"))
        for path in ("/api/health", "/api/studies"):
            answer = started.get(path)
            assert (answer.status_code, code_of(answer)) == (503, "db.E305")
        assert not file.exists()
        away.rename(file)
        assert started.get("/api/health").status_code == 200
        err = started.stop().err

    assert f"the SQLite file is gone: {file}" in err


# ---- moved behind its back


def test_a_rollback_behind_a_running_server_is_said_and_mended(migrated_database: URL, config_file: ConfigFile) -> None:
    database = Database(migrated_database)
    with server(config_file(migrated_database)) as started:
        started.get("/api/studies")
        database.downgrade(HISTORY.order[HISTORY.order.index("9e5c1d70ba36") - 1])  # without the details of studies
        for path in ("/api/health", "/api/studies"):
            answer = started.get(path)
            assert (answer.status_code, code_of(answer)) == (503, "app.E104"), path
        facts = started.get("/api/database")
        assert (facts.status_code, facts.json()["up_to_date"]) == (200, False)
        database.upgrade()
        assert started.get("/api/health").status_code == 200
        assert started.get("/api/studies").status_code == 200


def test_a_newer_release_that_migrates_meanwhile_is_said(migrated_database: URL, config_file: ConfigFile) -> None:
    with server(config_file(migrated_database)) as started:
        started.get("/api/studies")
        Database(migrated_database).execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")
        health = started.get("/api/health")

        assert (health.status_code, code_of(health)) == (503, "db.E211")
        facts = started.get("/api/database").json()
        assert (facts["up_to_date"], facts["pending"], facts["unknown"]) == (False, [], ["c0ffee123456"])
        assert started.get("/api/studies").status_code == 200  # everything that this needs still exists


# ---- rights


def test_the_application_needs_no_rights_of_those_who_migrate(roles: Roles, config_file: ConfigFile) -> None:
    admin = {"admin_url": roles.owner.render_as_string(hide_password=False)}
    with server(config_file(roles.application, db=admin), "--auto-upgrade-db") as started:
        assert started.get("/api/studies").status_code == 200
        application = Application(DbConfig(roles.application, admin_url=roles.superuser), Project.own())
        name = asyncio.run(application.read(lambda session: session.scalar(text("SELECT current_user"))))
        application.close()

    assert name == roles.application.username


def test_a_missing_right_is_named(roles: Roles, config_file: ConfigFile) -> None:
    Database(roles.owner).upgrade()
    roles.execute(roles.owner, f"GRANT SELECT ON alembic_version TO {roles.application.username}")
    with server(config_file(roles.application)) as started:
        for path in ("/api/studies", "/api/health"):
            answer = started.get(path)
            assert (answer.status_code, code_of(answer)) == (503, RightsMissing.code)
        roles.execute(roles.owner, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {roles.application.username}")
        assert {started.get(path).status_code for path in ("/api/studies", "/api/health")} == {200}
        assert "permission denied" in started.stop().err


def test_a_role_that_may_read_nothing_is_refused_at_the_start(roles: Roles, config_file: ConfigFile) -> None:
    Database(roles.owner).upgrade()
    config = config_file(roles.application)

    done = run("python", "antarest/main.py", f"--config={config}", "--port=0")

    refused = refusal(done, RightsMissing.code, EXIT_FAILED)
    assert refused.details["reason"] == "permission denied for table alembic_version"
    assert refused.commands[0] == f"inv db.grant --config={config}"


# ---- a database that cannot be written


def test_an_upgrade_does_not_wait_for_ever_for_somebody_who_writes(
    new_database: NewDatabase, config_file: ConfigFile
) -> None:
    url = new_database("sqlite", PREDECESSOR)
    config = config_file(url, db={"busy_timeout": 1, "migration_lock_timeout": 1})
    with Database(url).connected() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        done = run("python", "antarest/main.py", f"--config={config}", "--port=0", "--auto-upgrade-db")

    refusal(done, "db.E401", EXIT_LOCKED)
    assert Database(url).workflow.current() == (PREDECESSOR,)


AS_NOBODY = """
import encodings.idna, os, sys
import antarest.web.application, antarest.web.serving.server, antarest.migration.environment, logging.config
import alembic.command, uvicorn.lifespan.on, uvicorn.loops.asyncio
from antarest import main
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.argv = ["antarest/main.py", *sys.argv[1:]]
sys.exit(main.main())
"""


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that everybody can enter, but only its owner can write."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _as_nobody(*arguments: str) -> subprocess.Popen[bytes]:
    folder = Path(arguments[0].partition("=")[2]).parent
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-c", AS_NOBODY, *arguments], cwd=ROOT, stdout=out, stderr=err, env={**os.environ}
        )


@pytest.mark.parametrize("revision", [HISTORY.head, PREDECESSOR])
def test_a_read_only_file_is_served_at_head_and_not_upgraded(
    readable: Path, new_database: NewDatabase, revision: str
) -> None:
    url = URL.create("sqlite", database=str(readable / "antarest.db"))
    shutil.copy(str(new_database("sqlite", revision).database), readable / "antarest.db")
    (readable / "antarest.db").chmod(0o444)
    config = readable / "application.yaml"
    config.write_text(f"db: {{url: 'sqlite:///{readable}/antarest.db'}}\n")
    process = _as_nobody(f"--config={config}", "--port=0", "--auto-upgrade-db")
    started = Server(process, readable)
    try:
        if revision == HISTORY.head:
            assert started.get("/api/studies").json()["total"] == 0
            assert started.get("/api/health").status_code == 200
            assert started.stop().code == EXIT_DONE
        else:
            ended = started.ended()
            assert (ended.code, "error db.E307" in ended.err) == (1, True), ended.err
            assert "Traceback" not in ended.err
    finally:
        process.kill()
        process.wait()

    assert Database(url).workflow.current() == (revision,)
