"""The pages of the running application: the studies, one study, the history and the schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from antarest.core.persistence import Base
from antarest.dbmodel import metadata
from antarest.desktop import counts, forest
from antarest.desktop.diagram import draw, read_words
from antarest.desktop.place import Place
from antarest.desktop.presentation import environment, sentence
from antarest.desktop.words import explain
from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.revision import Revision
from antarest.migration.errors.text import position
from antarest.web.database import Database, Standing
from antarest.web.errors.answering import StudyNotFound
from antarest.web.parameters import MOST_TAGS, Text
from antarest.web.queries import get_study

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from antarest.web.records import StudyDetails

Number = Annotated[int, Query(ge=1, le=10**9)]

_CREATED = re.compile(r"^Create Date: (\d{4}-\d{2}-\d{2})", re.MULTILINE)
_NOT_FOUND = 404
_FAILED = 500
_UNAVAILABLE = 503


class Wanted(BaseModel):
    """Which studies the page shows; parameters that it does not know are somebody else's."""

    search: Text = ""
    tag: list[Text] = Field([], max_length=MOST_TAGS)
    page: int = Field(1, ge=1, le=10**9)


@dataclass(frozen=True)
class Header:
    """What stands at the top of every page about the database."""

    name: str
    folder: str
    size: int | None
    engine: str
    revision: str
    pending: int
    unknown: bool


@dataclass(frozen=True)
class Entry:
    """A revision in the time line."""

    id: str
    message: str
    created: datetime | None
    losses: Sequence[tuple[str, str]]
    is_applied: bool
    is_current: bool
    is_head: bool


class Pages:
    """The pages of one database."""

    def __init__(self, database: Database) -> None:
        """Prepare the templates.

        Args:
            database: what the pages are about.
        """
        self._database = database
        self._templates = environment()

    def install(self, app: FastAPI) -> None:
        """Give an application the pages, and a page for each of its errors."""
        pages: dict[str, Callable[..., Any]] = {
            "/": self.studies,
            "/studies/{study_id}": self.study,
            "/history": self.history,
            "/schema": self.schema,
        }
        for path, page in pages.items():
            app.add_api_route(path, page, include_in_schema=False, response_class=HTMLResponse)
        app.state.error_page = self.error

    # ---- the pages

    async def studies(self, wanted: Annotated[Wanted, Query()]) -> Response:
        """The studies, as trees of variants, or those that fit."""
        filter_ = forest.Filter(wanted.search.strip(), tuple(dict.fromkeys(wanted.tag)))
        header, found = await self._about(lambda session: _studies(session, filter_, wanted.page))
        status = _NOT_FOUND if wanted.page > found["page"].last else 200
        return self._render("studies", header, status, search=filter_.name, chosen=filter_.tags, **found)

    async def study(self, study_id: Annotated[Text, Path()], page: Number = 1) -> Response:
        """One study, with its variants."""

        def read(session: Session) -> tuple[StudyDetails, forest.Page]:
            return get_study(session, study_id), forest.variants(session, study_id, page)

        header, (details, variants) = await self._about(read)
        status = _NOT_FOUND if page > variants.last else 200
        return self._render("study", header, status, details=details, study=forest.Study.of(details), page=variants)

    async def history(self) -> Response:
        """The revisions as a time line, newest first."""
        standing, header = await self._header()
        entries = self._entries(standing)
        pending = sum(not entry.is_applied for entry in entries)
        years = groupby(entries, key=lambda entry: entry.created.year if entry.created else None)
        return self._render(
            "history",
            header,
            years=[(year, list(group)) for year, group in years],
            applied=len(entries) - pending,
            pending=pending,
            unknown=standing.unknown,
        )

    async def schema(self, table: Annotated[Text, Query()] = "") -> Response:
        """The schema as a diagram, with what each table holds."""
        header, rows = await self._about(lambda session: counts.count_rows(session, metadata.tables.values()))
        chosen = table if table in metadata.tables else ""
        return self._render(
            "schema",
            header,
            _NOT_FOUND if table and not chosen else 200,
            diagram=self._diagram,
            chosen=chosen,
            rows={name: count.words for name, count in rows.items()},
            numbers={name: count.short for name, count in rows.items()},
        )

    def error(self, request: Request, error: AntarestError, status: int) -> Response | None:
        """A page for what went wrong, where a person asked."""
        if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            return None
        title, lines, way = _say(request.url.path, error, status)
        return self._render("message", None, status, title=title, lines=lines, way=way, details=_technical(error))

    # ---- what they are made of

    @cached_property
    def _diagram(self) -> Any:
        return draw(metadata, read_words(Base.registry.mappers))

    async def _header(self) -> tuple[Standing, Header]:
        standing = await self._database.standing()
        size = await self._database.read(counts.database_size)
        place = Place.of(self._database.db.url)
        return standing, Header(
            name=place.name,
            folder=place.folder,
            size=place.size if size is None else size,
            engine=f"{standing.engine} {standing.engine_version}",
            revision=position(standing.current),
            pending=len(standing.pending),
            unknown=bool(standing.unknown),
        )

    async def _about(self, query: Any) -> tuple[Header, Any]:
        found = await self._database.read(query)
        return (await self._header())[1], found

    def _entries(self, standing: Standing) -> list[Entry]:
        history = self._database.project.history
        applied = history.applied(standing.current)
        return [
            Entry(
                id=id_,
                message=history[id_].message,
                created=_created(history[id_]),
                losses=tuple(history[id_].losses("upgrade").items()),
                is_applied=id_ in applied,
                is_current=id_ in standing.current,
                is_head=id_ in history.heads,
            )
            for id_ in reversed(history.order)
        ]

    def _render(self, template: str, header: Header | None, status: int = 200, **values: Any) -> Response:
        page = self._templates.get_template(f"{template}.html.jinja")
        return HTMLResponse(page.render(values | {"here": template, "database": header}), status)


def _studies(session: Session, wanted: forest.Filter, number: int) -> dict[str, Any]:
    """What the page of the studies shows."""
    found = forest.frequent_tags(session, wanted.tags)
    return {
        "total": forest.total(session),
        "matches": forest.matches(session, wanted),
        "page": forest.trees(session, wanted, number),
        "offered": [
            {"label": label, "count": count, "is_chosen": label in wanted.tags, "parameters": _other(wanted, label)}
            for label, count in found
        ],
        "parameters": _parameters(wanted.name, wanted.tags),
    }


def _other(wanted: forest.Filter, label: str) -> list[tuple[str, str]]:
    """The parameters of the same search with this tag too, or without it."""
    tags = [tag for tag in wanted.tags if tag != label]
    return _parameters(wanted.name, tags if label in wanted.tags else [*tags, label])


def _parameters(name: str, tags: Sequence[str]) -> list[tuple[str, str]]:
    return [*([("search", name)] if name else []), *(("tag", tag) for tag in tags)]


def _created(revision: Revision) -> datetime | None:
    """When a revision was written, as its file says."""
    try:
        found = _CREATED.search(revision.path.read_text(encoding="utf-8"))
        return datetime.fromisoformat(found[1]) if found else None
    except (OSError, ValueError):
        return None


def _say(path: str, error: AntarestError, status: int) -> tuple[str, list[str], tuple[str, str]]:
    """An error in a few words, and the way on."""
    home = ("/", "Show the studies")
    if isinstance(error, StudyNotFound):
        return "There is no such study", ["It may have been deleted since this address was made."], home
    if status == _NOT_FOUND:
        return "There is no such page", ["The address may be misspelt."], home
    if status < _FAILED:
        return "This address cannot be understood", [sentence(error.message) + "."], home
    again = (path, "Try again")
    if status == _UNAVAILABLE:
        explanation = explain(error)
        return explanation.title, [*explanation.what, "AntaREST goes on running; try again when it is back."], again
    return "This page could not be made", ["AntaREST goes on running. What happened stands on its terminal."], again


def _technical(error: AntarestError) -> str:
    return "\n".join([f"{error.code}: {error.message}", *(f"{label}: {text}" for label, text in error.details.items())])
