from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import URL
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from antarest import __version__
from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.facts.database import DatabaseUnreachable
from antarest.migration.errors.settings.urls import redact
from antarest.web import logs
from antarest.web.answers import body_of, meaning_of, status_of
from antarest.web.errors.answering import PageNotFound
from antarest.web.errors.launching import SchemaBehind
from tests.support.checks.refusals import SECRET
from tests.support.data.database import HISTORY
from tests.support.data.database import Database as Migrated
from tests.support.data.studies import raw_study, variant

Get = Callable[..., httpx.Response]
PREDECESSOR = HISTORY.order[-2]


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the error in an answer, after the checks for all errors."""
    error: dict[str, Any] = response.json()["error"]
    assert list(error) == ["code", "message", "details", "hints"]
    assert "Traceback" not in response.text
    return error


# ---- what is there


def test_the_version(get: Get) -> None:
    assert get("/api/version").json() == {"name": "AntaREST", "version": __version__}


def test_the_application_is_well_at_head(get: Get) -> None:
    answer = get("/api/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "revision": HISTORY.head})
    assert answer.headers["cache-control"] == "no-store"


def test_the_facts_of_the_database_are_told_without_its_address(get: Get, migrated_database: URL) -> None:
    answer = get("/api/database")

    facts = answer.json()
    assert facts["engine"] + facts["engine_version"]
    assert {name: facts[name] for name in ("current", "head", "pending", "up_to_date")} == {
        "current": [HISTORY.head],
        "head": HISTORY.head,
        "pending": [],
        "up_to_date": True,
    }
    assert str(migrated_database.database) not in answer.text


def test_a_database_that_is_behind_is_told_as_it_is(get: Get, migrated_database: URL) -> None:
    Migrated(migrated_database).downgrade(PREDECESSOR)

    facts = get("/api/database").json()
    assert (facts["pending"], facts["up_to_date"]) == ([HISTORY.head], False)
    health = get("/api/health")
    error = error_of(health)
    assert (health.status_code, error["code"]) == (503, "app.E104")
    assert error["details"] == {"current": PREDECESSOR, "pending": HISTORY.head, "head": HISTORY.head}
    assert health.headers["retry-after"]


def test_a_database_that_is_newer_is_told_as_such(get: Get, migrated_database: URL) -> None:
    Migrated(migrated_database).execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")

    health = get("/api/health")
    assert (health.status_code, error_of(health)["code"]) == (503, "db.E211")
    assert "newer version" in error_of(health)["message"]


def test_studies_and_tasks_are_told(get: Get, session: Session) -> None:
    study = variant(session, raw_study(session, "alpha été"))
    session.commit()

    found = get("/api/studies", name="ÉTÉ", tag=["winter"]).json()
    assert [item["name"] for item in found["items"]] == ["alpha été"]
    assert (found["total"], found["pages"], found["page"], found["size"]) == (1, 1, 1, 20)
    assert found["items"][0]["updated_at"].endswith("Z")
    told = get(f"/api/studies/{study.id}").json()
    assert [each["name"] for each in told["ancestors"]] == ["alpha été"]
    assert told["variant"]["commands"] == 3
    tasks = get("/api/tasks", status="PENDING", study=study.id).json()
    assert [item["name"] for item in tasks["items"]] == ["generate"]


def test_the_documentation_needs_no_network(get: Get) -> None:
    page = get("/docs").text

    assert "http://" not in page.replace("http://test", "")
    assert "https://" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"/docs/static/{name}" in page
        assert get(f"/docs/static/{name}").status_code == 200


def test_the_documentation_knows_how_a_refusal_looks(get: Get) -> None:
    paths = get("/openapi.json").json()["paths"]

    assert set(paths) == {
        f"/api/{name}" for name in ("health", "version", "database", "studies", "studies/{study_id}", "tasks")
    }
    for path in paths.values():
        assert set(path) == {"get"}
        for status in ("422", "500", "503"):
            shown = path["get"]["responses"][status]["content"]["application/json"]["schema"]
            assert shown == {"$ref": "#/components/schemas/Refused"}


# ---- what is not


@pytest.mark.parametrize(
    ("path", "status", "code", "said"),
    [
        ("/nope", 404, "app.E404", "nothing at this address"),
        ("/", 404, "app.E404", "nothing at this address"),
        ("/api/studies/", 404, "app.E404", "nothing at this address"),
        ("/api/studies/nope", 404, "app.E410", "there is no study nope"),
        ("/api/studies/%F0%9F%8C%8D", 404, "app.E410", "there is no study 🌍"),
        ("/api/studies/a%00b", 422, "app.E422", "has a character that is not allowed"),
        (f"/api/studies/{'x' * 256}", 422, "app.E422", "at most 255 characters"),
        ("/api/studies?page=2", 404, "app.E411", "page 2 does not exist"),
        ("/api/studies?page=0", 422, "app.E422", "greater than or equal to 1"),
        ("/api/studies?page=-1", 422, "app.E422", "greater than or equal to 1"),
        (f"/api/studies?page={10**30}", 422, "app.E422", "less than or equal to"),
        (f"/api/studies?page={'9' * 5000}", 422, "app.E422", "integer"),
        ("/api/studies?page=two", 422, "app.E422", "integer"),
        ("/api/studies?page=", 422, "app.E422", "integer"),
        ("/api/studies?page=1.5", 422, "app.E422", "integer"),
        ("/api/studies?size=101", 422, "app.E422", "less than or equal to 100"),
        ("/api/studies?size=0", 422, "app.E422", "greater than or equal to 1"),
        ("/api/studies?name=%00", 422, "app.E422", "has a character that is not allowed"),
        ("/api/studies?tag=a&tag=%00", 422, "app.E422", "has a character that is not allowed"),
        (f"/api/studies?name={'x' * 256}", 422, "app.E422", "at most 255 characters"),
        ("/api/studies?" + "&".join(["tag=x"] * 21), 422, "app.E422", "at most 20 items"),
        ("/api/studies?nmae=x", 422, "app.E422", "there is no such parameter"),
        ("/api/tasks?status=DONE", 422, "app.E422", "'PENDING', 'RUNNING'"),
        ("/api/tasks?study=%00", 422, "app.E422", "has a character that is not allowed"),
    ],
)
def test_bad_input_has_one_clear_answer(get: Get, path: str, status: int, code: str, said: str) -> None:
    answer = get(path)

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (status, code)
    assert said in " ".join([error["message"], *error["details"].values()])
    assert error["hints"]
    assert len(answer.text) < 1000


@pytest.mark.parametrize("name", ["%ED%A0%80", "%FF", "%", "%zz", "a%0Ab", "%E2%80%AE"])
def test_what_is_no_text_finds_nothing(get: Get, name: str) -> None:
    assert get(f"/api/studies?name={name}").json()["total"] == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/api/health", "/api/studies", "/api/studies/x"])
def test_the_application_only_reads(get: Get, method: str, path: str) -> None:
    answer = get(path, method)

    assert (answer.status_code, error_of(answer)["code"]) == (405, "app.E405")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(("path", "status"), [("/api/health", 200), ("/api/studies", 200), ("/nope", 404)])
def test_the_head_of_an_answer_can_be_asked_for(get: Get, path: str, status: int) -> None:
    head, whole = get(path, "HEAD"), get(path)

    assert head.status_code == status
    assert head.headers["content-length"] == whole.headers["content-length"]


# ---- what fails


def fail(app: FastAPI, error: Exception) -> None:
    """Add an address that fails."""

    @app.get("/fails")
    def fails() -> None:
        raise error


def test_a_failure_is_told_to_the_log_alone(app: FastAPI, get: Get, capsys: pytest.CaptureFixture[str]) -> None:
    url = URL.create("postgresql", "antarest", SECRET, "db1", 5432, "antarest")
    fail(app, ValueError(f"cannot use {url.render_as_string(hide_password=False)}"))
    with kept_logging():
        logs.configure(lambda shown: redact(shown, url))
        answers = [get("/fails?name=private") for _ in range(3)]

    assert {answer.status_code for answer in answers} == {500}
    assert error_of(answers[0])["code"] == "app.E500"
    assert "cannot use" not in answers[0].text
    said = capsys.readouterr().err
    assert said.count("GET /fails: an unexpected error") == 1
    assert said.count("ValueError: cannot use postgresql://antarest:***@db1:5432/antarest") == 1
    assert SECRET[:6] not in said
    assert "private" not in said


def test_an_error_about_the_database_names_no_server_to_whoever_asks(
    app: FastAPI, get: Get, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(app, DatabaseUnreachable("cannot connect to db1", database="postgresql://db1/antarest", reason="refused"))
    with kept_logging():
        logs.configure(lambda shown: shown)
        answer = get("/fails")

    assert (answer.status_code, error_of(answer)["code"]) == (503, "db.E301")
    assert "db1" not in answer.text
    assert "cannot connect to db1; database: postgresql://db1/antarest; reason: refused" in capsys.readouterr().err


def test_pages_may_show_errors_in_their_own_way(app: FastAPI, get: Get) -> None:
    def page(request: Request, error: AntarestError, status: int) -> Response | None:
        return None if request.url.path.startswith("/api") else HTMLResponse(f"<p>{error.message}", status)

    app.state.error_page = page

    assert get("/nope").text == "<p>there is nothing at this address"
    assert error_of(get("/api/nope"))["code"] == "app.E404"


def test_another_refusal_of_the_framework_keeps_its_status(app: FastAPI, get: Get) -> None:
    fail(app, HTTPException(418, "short and stout"))

    answer = get("/fails")
    assert (answer.status_code, error_of(answer)["message"]) == (418, "short and stout")


def test_an_error_is_told_by_what_its_code_means() -> None:
    error = DatabaseUnreachable("cannot connect to db1", database="postgresql://db1/antarest")

    assert status_of(error) == 503
    assert body_of(error)["error"]["message"] == meaning_of(error)
    assert meaning_of(error) == "the server does not answer; trying again can help"
    behind = SchemaBehind("postgresql://db1/antarest", ["a"], ["b"], "b", "antarest --auto-upgrade-db")
    assert "db1" not in str(body_of(behind))
    assert status_of(PageNotFound(2, 1)) == 404


# ---- the log


class kept_logging:  # noqa: N801 - a context manager
    """Leave logging as it was."""

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._kept = root.handlers[:], root.level, logging.getLogger("uvicorn.error").level

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.handlers[:], level, of_server = self._kept
        root.setLevel(level)
        logging.getLogger("uvicorn.error").setLevel(of_server)


def test_what_is_said_again_and_again_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept_logging():
        logs.configure(lambda shown: shown)
        for _ in range(3):
            logging.getLogger("antarest.web").warning("gone")
        monkeypatch.setattr(logs, "_SECONDS", 0.0)
        logging.getLogger("antarest.web").warning("gone")
        logging.getLogger("antarest.web").info("a detail")

    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" WARNING ")[2] for line in lines] == ["gone", "gone (and 2 times before)"]
