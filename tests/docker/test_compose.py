"""`docker-compose.yml` as an operator uses it: build, migrate, serve, stop and roll back in a real Docker engine.

`make test-docker` runs this module. The environment may name the images: `ANTAREST_TEST_BASE_IMAGE` (with Python) and
`ANTAREST_TEST_POSTGRES_IMAGE`.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from antarest.migration.scratch.embedded_postgres import free_port
from tests.support.data.database import HISTORY
from tests.support.projects.checkouts import ROOT

HEAD = HISTORY.head
BELOW = HISTORY.states_below([HEAD])[0]
PASSWORDS = {"DB_PASSWORD": "a p%w@:/d'", "DB_OWNER_PASSWORD": "0wn$er'\"s"}
NODES = ("node1", "node2")
ROLLBACK = "/opt/antarest/project/scripts/rollback.sh"
HANGS = 600


@dataclass(frozen=True)
class Composition:
    """The services of `docker-compose.yml`, with a project name that nothing else uses.

    Attributes:
        command: the command that runs Compose, which has two versions with different commands.
        environment: the variables that `docker-compose.yml` uses.
    """

    command: Sequence[str]
    environment: dict[str, str]

    @classmethod
    def create(cls) -> Composition:
        """Choose a name and free ports. Nothing is started yet."""
        name = f"antarest-test-{uuid4().hex[:12]}"
        ports = [str(free_port()) for _ in NODES]
        images = {
            "BASE_IMAGE": os.environ.get("ANTAREST_TEST_BASE_IMAGE", "python:3.13-slim"),
            "POSTGRES_IMAGE": os.environ.get("ANTAREST_TEST_POSTGRES_IMAGE", "postgres:15"),
        }
        own = {"COMPOSE_PROJECT_NAME": name, "ANTAREST_IMAGE": name, "NODE1_PORT": ports[0], "NODE2_PORT": ports[1]}
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        command = ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]
        return cls(command, {**os.environ, **PASSWORDS, **images, **own})

    @property
    def image(self) -> str:
        """The image of the application."""
        return self.environment["ANTAREST_IMAGE"]

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Run Compose, and return its exit code and its output."""
        code, printed = self._run([*self.command, *arguments])
        for password in PASSWORDS.values():
            assert password not in printed
        return code, printed

    def docker(self, *arguments: str) -> str:
        """Run Docker, and return its output."""
        code, printed = self._run(["docker", *arguments])
        assert code == 0, printed
        return printed

    def _run(self, command: Sequence[str]) -> tuple[int, str]:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANGS,
            check=False,
        )
        return done.returncode, done.stdout

    def state(self, service: str) -> dict[str, Any]:
        """The engine's description of a container."""
        code, container = self("ps", "--all", "--quiet", service)
        assert code == 0, container
        found: dict[str, Any] = json.loads(self.docker("inspect", container.strip()))[0]
        return found

    def ask(self, node: str, path: str) -> tuple[int, dict[str, Any]]:
        """Send a request to a node, and return the status and the answer; 0 if nothing listens."""
        port = int(self.environment[f"{node.upper()}_PORT"])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
            except OSError:
                return 0, {}
            return answer.status, json.loads(answer.read())

    def wait(self, node: str, *, health: int) -> None:
        """Wait until the health of a node has this status."""
        deadline = time.monotonic() + HANGS
        while (found := self.ask(node, "/api/health"))[0] != health:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def query(self, sql: str, role: str = "antarest_owner") -> tuple[int, str]:
        """Execute SQL on the server."""
        password = PASSWORDS["DB_PASSWORD" if role == "antarest" else "DB_OWNER_PASSWORD"]
        psql = ["psql", "--no-psqlrc", "-At", "-h", "127.0.0.1", "-U", role, "-d", "antarest", "-c", sql]
        return self._run(
            ["docker", "exec", "--env", f"PGPASSWORD={password}", self.state("postgres")["Id"], *psql],
        )


@pytest.fixture(scope="module")
def composition() -> Iterator[Composition]:
    """All services, started."""
    composition = Composition.create()
    try:
        code, printed = composition("up", "--detach", "--build")
        assert code == 0, printed
        yield composition
    finally:
        composition("down", "--volumes", "--remove-orphans")
        subprocess.run(["docker", "rmi", "--force", composition.image], capture_output=True, check=False)


def test_both_nodes_serve_a_database_at_head(composition: Composition) -> None:
    for node in NODES:
        composition.wait(node, health=200)
        assert composition.ask(node, "/api/health") == (200, {"status": "ok", "revision": HEAD})
        assert composition.ask(node, "/api/database")[1]["up_to_date"] is True


def test_the_health_check_of_the_image_sees_it(composition: Composition) -> None:
    deadline = time.monotonic() + HANGS
    for node in NODES:
        while (found := composition.state(node)["State"]["Health"])["Status"] != "healthy":
            assert time.monotonic() < deadline, found
            time.sleep(0.5)


def test_one_container_migrated_and_ended_before_they_started(composition: Composition) -> None:
    migrated = composition.state("migrate")

    assert migrated["Config"]["Cmd"] == ["alembic", "upgrade", "head"]
    assert (migrated["State"]["Status"], migrated["State"]["ExitCode"]) == ("exited", 0)
    for node in NODES:
        assert composition.state(node)["State"]["StartedAt"] > migrated["State"]["FinishedAt"]


def test_they_run_as_a_user_who_can_write_nothing(composition: Composition) -> None:
    for node in NODES:
        container = composition.state(node)["Id"]
        assert composition.docker("exec", container, "id", "-u").strip() == "10001"
        assert composition.docker("diff", container) == ""
        writable = "find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/tmp' 2>/dev/null || true"
        found = composition.docker("run", "--rm", "--network=none", composition.image, "sh", "-c", writable).split()
        assert [path for path in found if path.startswith(("/opt", "/srv", "/etc"))] == []


def test_the_program_is_the_first_process(composition: Composition) -> None:
    for node in NODES:
        words = composition.docker("exec", composition.state(node)["Id"], "cat", "/proc/1/cmdline").split("\0")
        assert words[:2] == ["/opt/antarest/bin/python3", "/opt/antarest/bin/antarest"]


def test_no_password_is_where_it_is_not_needed(composition: Composition) -> None:
    """The image has no password, and the containers of the application do not have the password of the owner."""
    image = composition.docker("history", "--no-trunc", composition.image) + composition.docker(
        "inspect", composition.image
    )
    assert "PASSWORD" not in image
    for node in NODES:
        variables = composition.docker("exec", composition.state(node)["Id"], "env")
        assert "DB_OWNER_PASSWORD" not in variables


def test_nothing_for_development_is_in_the_image(composition: Composition) -> None:
    names = "import importlib.util as i, sys; print(*[n for n in sys.argv[1:] if i.find_spec(n)])"
    absent = ("pip", "invoke", "pytest", "hatchling", "mypy", "faker", "testcontainers", "tasks", "tests")

    found = composition.docker("run", "--rm", composition.image, "python3", "-c", names, *absent, "antarest")

    assert found.split() == ["antarest"]


def test_the_role_of_the_application_cannot_change_the_schema(composition: Composition) -> None:
    assert composition.query("SELECT count(*) FROM study", role="antarest") == (0, "0\n")
    assert composition.query("INSERT INTO tag (label) VALUES ('a') RETURNING label", role="antarest")[0] == 0

    code, printed = composition.query("DROP TABLE study", role="antarest")

    assert code != 0
    assert "must be owner of table study" in printed


def test_a_password_may_lie_in_a_file(composition: Composition, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORDS["DB_PASSWORD"])
    secret.chmod(0o644)
    tmp_path.chmod(0o755)
    network = next(iter(composition.state("postgres")["NetworkSettings"]["Networks"]))

    shown = composition.docker(
        *("run", "--rm", "--network", network, "--volume", f"{secret}:/run/secrets/password:ro"),
        *("--env", "DB_PASSWORD_FILE=/run/secrets/password", "--env", "DB_HOST=postgres"),
        *(composition.image, "antarest-db", "status"),
    )

    assert f"current        {HEAD} (head)" in shown
    assert "rollback.sh    /opt/antarest/lib/python3" in shown


def test_a_node_stops_well(composition: Composition) -> None:
    assert composition("stop", "node1")[0] == 0

    state = composition.state("node1")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)
    assert "stopped" in composition("logs", "node1")[1]
    assert composition("start", "node1")[0] == 0
    composition.wait("node1", health=200)


def test_they_survive_a_restart_of_the_server(composition: Composition) -> None:
    assert composition("stop", "postgres")[0] == 0
    for node in NODES:
        composition.wait(node, health=503)

    assert composition("start", "postgres")[0] == 0

    for node in NODES:
        composition.wait(node, health=200)


def test_it_is_rolled_back_and_upgraded_again(composition: Composition) -> None:
    code, printed = composition("run", "--rm", "migrate", ROLLBACK, "--allow-data-loss")

    assert code == 0, printed
    assert f"the database is at {BELOW}" in printed
    for node in NODES:
        composition.wait(node, health=503)
    code, printed = composition("run", "--rm", "migrate")
    assert code == 0, printed
    for node in NODES:
        composition.wait(node, health=200)


def test_where_the_migration_fails_no_node_starts(composition: Composition) -> None:
    composition("stop", *NODES)
    composition("rm", "--force", "migrate", *NODES)
    composition.query("UPDATE alembic_version SET version_num = 'feedfeedfeed'")

    code, _ = composition("up", "--detach")

    assert code != 0
    assert composition.state("migrate")["State"]["ExitCode"] == 1
    assert "db.E201" in composition("logs", "migrate")[1]
    code, running = composition("ps", "--quiet", *NODES)
    assert code == 0
    for container in running.split():
        assert composition.docker("inspect", "--format={{.State.Status}}", container).strip() == "created"
