"""The desktop application serves only this computer, and has a page about a failed upgrade."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import URL

from antarest.core.config import AppConfig
from antarest.desktop.application import create_desktop_app
from antarest.desktop.failures.failure import RetryingApp
from antarest.desktop.instance import INSTANCE_PATH
from antarest.migration.errors.base import AntarestError, Hint
from antarest.migration.errors.facts.database import DatabaseLocked
from antarest.migration.errors.facts.run import RunTerminated, UnexpectedFailure
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.project.project import Project
from tests.unit.desktop.conftest import HOST, INSTANCE, Get, request

SCRIPT = "<script>alert(1)</script>"


def test_it_says_who_it_is(get: Get) -> None:
    assert get(INSTANCE_PATH).source == f'{{"id":"{INSTANCE}"}}'


@pytest.mark.parametrize("path", ["/", "/schema", "/api/studies", "/static/style.css", "/nowhere", INSTANCE_PATH])
def test_every_answer_has_the_headers_of_a_page_that_keeps_to_itself(get: Get, path: str) -> None:
    headers = get(path).headers

    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("base", ["http://evil.example", "http://127.0.0.1.evil.example:8080", "http://10.0.0.1:8080"])
@pytest.mark.parametrize("path", ["/", "/api/studies", "/static/style.css", INSTANCE_PATH])
def test_another_host_name_is_refused(get: Get, base: str, path: str) -> None:
    assert get(path, base=base).status == 400


@pytest.mark.parametrize("base", [HOST, "http://localhost:8080", "http://127.0.0.1"])
def test_the_names_of_this_computer_are_not(get: Get, base: str) -> None:
    assert get("/", base=base).status == 200


def test_a_page_can_be_asked_for_its_head_but_not_written_to(get: Get) -> None:
    assert get("/", method="HEAD").status == 200
    assert get("/", method="POST").status == 405


def test_the_static_files_are_those_of_the_pages_and_nothing_else(get: Get) -> None:
    for name, kind in {"style.css": "text/css", "diagram.js": "text/javascript", "star.svg": "image/svg+xml"}.items():
        assert get(f"/static/{name}").headers["content-type"].partition(";")[0] == kind
    for path in ("/static/../pages.py", "/static/%2e%2e/pages.py", "/static/", "/static/nothing"):
        assert get(path).status == 404


# ---- the page about a failed upgrade


class Attempts:
    """Upgrades that fail with one error after the other, and then succeed."""

    def __init__(self, app: FastAPI, *errors: AntarestError) -> None:
        self.app, self.errors = app, list(errors)

    def __call__(self) -> FastAPI | AntarestError:
        """Try to upgrade."""
        return self.errors.pop(0) if self.errors else self.app


@pytest.fixture
def locked(config: AppConfig) -> DatabaseLocked:
    return DatabaseLocked("the file is locked", Hint("Look", "inv db.status"), database=str(config.db.url))


def test_a_failed_upgrade_has_a_page_at_every_address(config: AppConfig, app: FastAPI, locked: DatabaseLocked) -> None:
    retrying = RetryingApp(config, INSTANCE, Attempts(app, locked))

    for path in ("/", "/schema", "/studies/x"):
        page = request(retrying, path)
        assert page.status == 503
        assert "Another program is using the database" in page.text
        assert "Your data is safe: the database was not changed" in page.text
        assert "db.E401" in page.text
        assert "/etc/antarest/application.yaml" in page.text
        assert page.elements("details") == [{"class": "technical"}]
    assert retrying.error is locked


def test_the_page_names_the_file_and_its_size(tmp_path: Path, locked: DatabaseLocked, app: FastAPI) -> None:
    file = tmp_path / "studies.db"
    file.write_bytes(b"x" * 2_000)
    config = AppConfig(DbConfig(URL.create("sqlite", database=str(file))), tmp_path / "application.yaml")
    page = request(RetryingApp(config, INSTANCE, Attempts(app, locked)), "/")

    assert f"Database file {file}" in page.text
    assert re.search(r"Size 2\.0 kB, last changed \d", page.text)


def test_who_asks_the_api_gets_no_page(config: AppConfig, app: FastAPI, locked: DatabaseLocked) -> None:
    page = request(RetryingApp(config, INSTANCE, Attempts(app, locked)), "/api/health")

    assert (page.status, page.headers["content-type"]) == (503, "application/json")
    assert "db.E401" in page.source


def test_trying_again_serves_the_application_as_soon_as_it_can(
    config: AppConfig, app: FastAPI, locked: DatabaseLocked
) -> None:
    other = UnexpectedFailure(SCRIPT)
    retrying = RetryingApp(config, INSTANCE, Attempts(app, locked, other))

    assert request(retrying, "/retry", method="POST").headers["location"] == "/"
    page = request(retrying, "/")
    assert "AntaREST could not open the database" in page.text
    assert SCRIPT in page.text
    assert not page.elements("script")

    assert request(retrying, "/retry", method="POST").status == 303
    assert retrying.error is None
    assert "No studies yet" in request(retrying, "/").text


def test_what_a_signal_has_stopped_is_not_tried_again(config: AppConfig, app: FastAPI, locked: DatabaseLocked) -> None:
    """A second request may already wait. The server stops, and the database stays at its revision."""
    stopped = RunTerminated(str(config.db.url), "Nothing was changed.")

    def attempt() -> FastAPI | AntarestError:
        tried.append(len(tried))
        if len(tried) == 2:
            raise stopped
        return locked if len(tried) == 1 else app

    tried: list[int] = []
    retrying = RetryingApp(config, INSTANCE, attempt)

    for _ in range(2):
        assert request(retrying, "/retry", method="POST").status == 303
    assert tried == [0, 1]
    assert retrying.error is retrying.stopped is stopped


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9"])
def test_a_page_elsewhere_cannot_try_again(
    config: AppConfig, app: FastAPI, locked: DatabaseLocked, origin: str
) -> None:
    retrying = RetryingApp(config, INSTANCE, Attempts(app, locked))

    assert request(retrying, "/retry", method="POST", headers={"origin": origin}).status == 403
    assert retrying.error is locked


def test_the_page_keeps_to_this_computer_too(config: AppConfig, app: FastAPI, locked: DatabaseLocked) -> None:
    retrying = RetryingApp(config, INSTANCE, Attempts(app, locked))

    assert request(retrying, "/", base="http://evil.example").status == 400
    assert "frame-ancestors 'none'" in request(retrying, "/").headers["content-security-policy"]
    assert request(retrying, INSTANCE_PATH).source == f'{{"id":"{INSTANCE}"}}'


def test_the_documentation_of_the_api_may_run_its_own_script_and_loads_nothing_else(config: AppConfig) -> None:
    app = create_desktop_app(config, Project.own(), INSTANCE)
    page = request(app, "/docs")
    app.state.database.close()

    assert page.status == 200
    assert "https:" not in page.headers["content-security-policy"]
    assert not [script["src"] for script in page.elements("script") if "//" in script.get("src", "")]
