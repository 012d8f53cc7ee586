"""The pages, on both engines."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.orm import Session

from antarest import __version__
from antarest.dbmodel import metadata
from antarest.study.model import RawStudy, Study
from tests.support.data.database import HISTORY, Database
from tests.support.data.study_trees import ODD_NAMES, add_many, add_odd, fill
from tests.unit.desktop.conftest import Get, Write

HEAD = HISTORY.head


def find(name: str) -> Callable[[Session], Any]:
    return lambda session: session.scalars(sa.select(Study.__table__.c.id).where(Study.name == name)).one()


# ---- what is on every page


@pytest.mark.parametrize("path", ["/", "/history", "/schema"])
def test_every_page_says_which_version_and_which_database(get: Get, migrated_database: URL, path: str) -> None:
    page = get(path)

    assert page.status == 200
    assert f"AntaREST {__version__}" in page.text
    assert Path(str(migrated_database.database)).name in page.text
    assert re.search(r"Size \d+(\.\d)? [kM]B", page.text)
    assert re.search(r"Engine (SQLite|PostgreSQL) \d+\.", page.text)
    assert f"Revision {HEAD}" in page.text
    assert "Schema up to date" in page.text
    assert [link.get("aria-current") for link in page.elements("a") if "aria-current" in link] == ["page"]


def test_no_page_shows_the_password(get: Get, migrated_database: URL) -> None:
    for path in ("/", "/history", "/schema", "/studies/x"):
        assert not migrated_database.password or str(migrated_database.password) not in get(path).source


@pytest.mark.parametrize("path", ["/", "/history", "/schema", "/studies/unknown", "/nowhere", "/?page=x"])
def test_a_page_takes_everything_from_this_computer_and_runs_nothing_in_it(get: Get, path: str) -> None:
    page = get(path)
    addresses = [
        attributes[name]
        for tag in ("link", "script", "img", "a", "form")
        for attributes in page.elements(tag)
        for name in ("href", "src", "action")
        if name in attributes
    ]

    assert [address for address in addresses if not address.startswith(("/", "#"))] == []
    assert not [script for script in page.elements("script") if "src" not in script]
    assert not page.elements("style")
    assert "style=" not in page.source
    assert page.elements("meta")[1:] == [
        {"name": "viewport", "content": "width=device-width, initial-scale=1"},
        {"name": "color-scheme", "content": "light dark"},
    ]


# ---- the studies


def test_without_studies_the_page_says_how_to_get_some(get: Get) -> None:
    page = get("/")

    assert "No studies yet" in page.text
    assert "inv db.seed" in page.text
    assert not page.elements("input")


def test_the_studies_stand_in_trees(get: Get, write: Write) -> None:
    write(fill)
    page = get("/")

    assert "15 studies, last changed first" in page.text
    assert re.findall(r"<summary>(.*?)<", page.source) == [
        "3 variants",
        "2 variants",
        "2 variants",
        "1 variant",
    ]
    assert "Marion Dubreuil" in page.text
    assert "files with warnings" in page.text
    assert f"/studies/{write(find('Cold spell, two reactors out'))}" in page.links


def test_a_search_finds_marks_and_keeps_the_tags(get: Get, write: Write) -> None:
    write(fill)
    page = get("/", params={"search": "cold SPELL", "tag": "winter"})

    assert "3 studies found with “cold SPELL” in the name, tagged winter." in page.text
    assert page.source.count("<mark>Cold spell</mark>") == 3
    assert {"type": "hidden", "name": "tag", "value": "winter"} in page.elements("input")
    assert "/?search=cold+SPELL" in page.links
    assert "/?search=cold+SPELL&tag=winter&tag=draft" in page.links


def test_a_search_without_hits_says_so_and_leads_back(get: Get, write: Write) -> None:
    write(fill)
    page = get("/", params={"search": "nothing like it"})

    assert page.status == 200
    assert "No study found with “nothing like it” in the name." in page.text
    assert "/" in page.links


def test_the_list_has_pages(get: Get, write: Write) -> None:
    write(lambda session: add_many(session, 45))
    page = get("/", params={"page": 2, "search": "Study"})

    assert "Page 2 of 3" in page.text
    assert [link for link in page.links if "page=" in link] == ["/?search=Study&page=1", "/?search=Study&page=3"]


def test_a_page_beyond_the_last_one_is_not_found(get: Get, write: Write) -> None:
    write(lambda session: add_many(session, 45))
    page = get("/", params={"page": 4})

    assert page.status == 404
    assert "This list has 3 pages. Go to the first one" in page.text


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_text_whatever_is_in_it(get: Get, write: Write, name: str) -> None:
    write(add_odd)
    pages = [get("/"), get("/", params={"search": name, "tag": name}), get(f"/studies/{write(find(name))}")]

    for page in pages:
        assert page.status == 200
        assert name in page.text
        assert not page.elements("alert")
        assert [script for script in page.elements("script") if "src" not in script] == []


def test_a_study_tells_all_of_itself(get: Get, write: Write) -> None:
    write(fill)
    page = get(f"/studies/{write(find('Cold spell of January 2012'))}")

    for fact in (
        "Studies Adequacy outlook 2026-2030, reference",
        "Kind variant",
        "Version 9.2",
        "Owner Ada Keller",
        "Everybody may read it",
        "Changed 19 Nov 2026, 13:40 UTC",
        "Commands 1",
        "Cold spell, demand response doubled",
    ):
        assert fact in page.text
    assert page.elements("h1")


def test_a_study_with_files_of_its_own(get: Get, write: Write) -> None:
    write(fill)
    page = get(f"/studies/{write(find('Adequacy outlook 2025-2030, reference'))}")

    assert "files missing" in page.text
    assert "Shared with Adequacy team" in page.text
    assert "Missing since 17 Nov 2026" in page.text
    assert "No study is a variant of this one." in page.text


def test_a_study_that_does_not_exist(get: Get) -> None:
    page = get("/studies/unknown")

    assert page.status == 404
    assert "There is no such study" in page.text
    assert "/" in page.links


# ---- the history


def test_the_history_is_a_time_line(get: Get) -> None:
    page = get("/history")
    marks = page.elements("li")[3:]

    assert [mark["id"] for mark in marks] == list(reversed(HISTORY.order))
    assert {mark["class"] for mark in marks} == {"applied", "applied current"}
    assert "26 of 26 revisions applied" in page.text
    assert "24 Sep Add solver stats current head" in page.text
    assert "Gives up study.tags: the order of the labels in a list, and repeated ones" in page.text


def test_what_is_pending_is_marked(get: Get, migrated_database: URL) -> None:
    Database(migrated_database).downgrade(HISTORY.order[-3])
    page = get("/history")

    marks = {mark["id"]: mark["class"] for mark in page.elements("li")[3:]}
    assert [id_ for id_, mark in marks.items() if mark == "pending"] == list(HISTORY.order[:-3:-1])
    assert marks[HISTORY.order[-3]] == "applied current"
    assert "24 of 26 revisions applied, 2 pending" in page.text
    assert "2 revisions pending" in page.text


def test_a_database_that_was_upgraded_by_a_newer_version_meanwhile(get: Get, migrated_database: URL) -> None:
    Database(migrated_database).execute("UPDATE alembic_version SET version_num = 'c0ffee123456'")
    page = get("/history")

    assert "c0ffee123456, which this application does not know" in page.text
    assert "newer than this application" in page.text


# ---- the schema


def test_the_schema_is_drawn_with_what_each_table_holds(get: Get, write: Write) -> None:
    write(fill)
    page = get("/schema")

    assert "24 tables, 30 foreign keys" in page.text
    assert len([link for link in page.elements("a") if link.get("class", "").startswith("box ")]) == 24
    for table in metadata.tables:
        assert f"/schema?table={table}" in page.links
    assert "study 15 rows" in page.text
    assert "A power-system study of any kind" in page.text


def test_a_chosen_table_shows_its_columns(get: Get) -> None:
    page = get("/schema", params={"table": "study"})
    shown = [section for section in page.elements("section") if "data-table" in section and "hidden" not in section]

    assert [section["data-table"] for section in shown] == ["study"]
    assert "public_mode one of NONE, READ, EXECUTE, EDIT, FULL" in page.text
    assert "→ identities.id" in page.text


def test_a_table_that_does_not_exist(get: Get) -> None:
    assert get("/schema", params={"table": "nowhere"}).status == 404


# ---- what goes wrong


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/nowhere", 404, "There is no such page"),
        ("/studies/x/y", 404, "There is no such page"),
        ("/?page=x", 422, "This address cannot be read"),
        ("/?page=0", 422, "This address cannot be read"),
        ("/?page=99999999999999999999", 422, "This address cannot be read"),
        (f"/?search={'x' * 256}", 422, "This address cannot be read"),
        ("/?" + "&".join(["tag=x"] * 21), 422, "This address cannot be read"),
        ("/?search=%00", 422, "This address cannot be read"),
        ("/studies/%00", 422, "This address cannot be read"),
    ],
)
def test_an_address_that_means_nothing(get: Get, path: str, status: int, title: str) -> None:
    page = get(path)

    assert page.status == status
    assert title in page.text
    assert f"AntaREST {__version__}" in page.text


@pytest.mark.parametrize("path", ["/api/nowhere", "/nowhere"])
def test_whoever_does_not_read_pages_gets_the_error_as_data(get: Get, path: str) -> None:
    page = get(path, headers={"accept": "application/json" if path == "/nowhere" else "text/html"})

    assert (page.status, page.headers["content-type"]) == (404, "application/json")


def test_a_table_that_is_gone_is_no_riddle(get: Get, migrated_database: URL) -> None:
    Database(migrated_database).downgrade("base")
    page = get("/")

    assert page.status == 503
    assert "Try again" in page.text
    assert "AntaREST is still running" in page.text
    assert get("/history").status == 200


def test_a_study_that_is_added_meanwhile_is_there(get: Get, write: Write) -> None:
    assert "No studies yet" in get("/").text

    def add(session: Session) -> None:
        session.add(RawStudy(name="new one", version="9.2", author="ada"))
        session.commit()

    write(add)

    assert "new one" in get("/").text
