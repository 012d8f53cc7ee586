"""The pages of the application: the studies, one study, the history and the schema."""

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
from antarest.desktop.failures.explanations import explain
from antarest.desktop.pages import row_counts, study_trees
from antarest.desktop.pages.address import DatabaseAddress
from antarest.desktop.pages.formatting import environment, sentence
from antarest.desktop.schema.diagram import draw, read_words
from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.revision import Revision
from antarest.migration.errors.text import position
from antarest.web.api.parameters import MOST_TAGS, Text
from antarest.web.errors.answering import StudyNotFound
from antarest.web.reading.database import Database, DatabaseStatus
from antarest.web.reading.queries import get_study

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from antarest.web.reading.records import StudyDetails

Number = Annotated[int, Query(ge=1, le=10**9)]

_CREATED = re.compile(r"^Create Date: (\d{4}-\d{2}-\d{2})", re.MULTILINE)
_NOT_FOUND = 404
_FAILED = 500
_UNAVAILABLE = 503


class StudiesQuery(BaseModel):
    """The parameters of the page of studies. Unknown parameters are ignored."""

    search: Text = ""
    tag: list[Text] = Field([], max_length=MOST_TAGS)
    page: int = Field(1, ge=1, le=10**9)


@dataclass(frozen=True)
class Header:
    """The values about the database that every page shows at its top."""

    name: str
    folder: str
    size: int | None
    engine: str
    revision: str
    pending: int
    unknown: bool


@dataclass(frozen=True)
class TimelineEntry:
    """A revision in the time line of the history."""

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
        """Load the templates.

        Args:
            database: the database that the pages show.
        """
        self._database = database
        self._templates = environment()

    def install(self, app: FastAPI) -> None:
        """Add the pages to an application, and show its errors as pages too."""
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

    async def studies(self, wanted: Annotated[StudiesQuery, Query()]) -> Response:
        """Return the page with the trees of all studies, or of the studies that match the search."""
        filter_ = study_trees.Filter(wanted.search.strip(), tuple(dict.fromkeys(wanted.tag)))
        header, found = await self._about(lambda session: _studies(session, filter_, wanted.page))
        status = _NOT_FOUND if wanted.page > found["page"].last else 200
        return self._render("studies", header, status, search=filter_.name, chosen=filter_.tags, **found)

    async def study(self, study_id: Annotated[Text, Path()], page: Number = 1) -> Response:
        """Return the page of a study and its variants."""

        def read(session: Session) -> tuple[StudyDetails, study_trees.TreePage]:
            return get_study(session, study_id), study_trees.variants(session, study_id, page)

        header, (details, variants) = await self._about(read)
        status = _NOT_FOUND if page > variants.last else 200
        return self._render(
            "study", header, status, details=details, study=study_trees.TreeStudy.of(details), page=variants
        )

    async def history(self) -> Response:
        """Return the page of the revisions as a time line, newest first."""
        status, header = await self._header()
        entries = self._entries(status)
        pending = sum(not entry.is_applied for entry in entries)
        years = groupby(entries, key=lambda entry: entry.created.year if entry.created else None)
        return self._render(
            "history",
            header,
            years=[(year, list(group)) for year, group in years],
            applied=len(entries) - pending,
            pending=pending,
            unknown=status.unknown,
        )

    async def schema(self, table: Annotated[Text, Query()] = "") -> Response:
        """Return the page of the schema as a diagram, with the number of rows of each table."""
        header, rows = await self._about(lambda session: row_counts.count_rows(session, metadata.tables.values()))
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
        """Return the page about an error; None if the request came from a program."""
        if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            return None
        title, lines, way = _say(request.url.path, error, status)
        return self._render("message", None, status, title=title, lines=lines, way=way, details=_technical(error))

    # ---- parts of the pages

    @cached_property
    def _diagram(self) -> Any:
        return draw(metadata, read_words(Base.registry.mappers))

    async def _header(self) -> tuple[DatabaseStatus, Header]:
        status = await self._database.status()
        size = await self._database.read(row_counts.database_size)
        address = DatabaseAddress.of(self._database.db.url)
        return status, Header(
            name=address.name,
            folder=address.folder,
            size=address.size if size is None else size,
            engine=f"{status.engine} {status.engine_version}",
            revision=position(status.current),
            pending=len(status.pending),
            unknown=bool(status.unknown),
        )

    async def _about(self, query: Any) -> tuple[Header, Any]:
        found = await self._database.read(query)
        return (await self._header())[1], found

    def _entries(self, status: DatabaseStatus) -> list[TimelineEntry]:
        history = self._database.project.history
        applied = history.applied(status.current)
        return [
            TimelineEntry(
                id=id_,
                message=history[id_].message,
                created=_created(history[id_]),
                losses=tuple(history[id_].losses("upgrade").items()),
                is_applied=id_ in applied,
                is_current=id_ in status.current,
                is_head=id_ in history.heads,
            )
            for id_ in reversed(history.order)
        ]

    def _render(self, template: str, header: Header | None, status: int = 200, **values: Any) -> Response:
        page = self._templates.get_template(f"{template}.html.jinja")
        return HTMLResponse(page.render(values | {"here": template, "database": header}), status)


def _studies(session: Session, wanted: study_trees.Filter, number: int) -> dict[str, Any]:
    """Return the values for the page of the studies."""
    found = study_trees.frequent_tags(session, wanted)
    return {
        "total": study_trees.total(session),
        "matches": study_trees.matches(session, wanted),
        "page": study_trees.trees(session, wanted, number),
        "offered": [
            {"label": label, "count": count, "is_chosen": label in wanted.tags, "parameters": _other(wanted, label)}
            for label, count in found
        ],
        "parameters": _parameters(wanted.name, wanted.tags),
    }


def _other(wanted: study_trees.Filter, label: str) -> list[tuple[str, str]]:
    """Return the parameters of a search with the tag `label` added, or removed if the search already has it."""
    tags = [tag for tag in wanted.tags if tag != label]
    return _parameters(wanted.name, tags if label in wanted.tags else [*tags, label])


def _parameters(name: str, tags: Sequence[str]) -> list[tuple[str, str]]:
    return [*([("search", name)] if name else []), *(("tag", tag) for tag in tags)]


def _created(revision: Revision) -> datetime | None:
    """Return the creation date in the file of a revision; None if the file has no date."""
    try:
        found = _CREATED.search(revision.path.read_text(encoding="utf-8"))
        return datetime.fromisoformat(found[1]) if found else None
    except (OSError, ValueError):
        return None


def _say(path: str, error: AntarestError, status: int) -> tuple[str, list[str], tuple[str, str]]:
    """Return the title, the text and the link of the page about an error."""
    home = ("/", "Show the studies")
    if isinstance(error, StudyNotFound):
        return "There is no such study", ["It may have been deleted since this address was made."], home
    if status == _NOT_FOUND:
        return "There is no such page", ["The address may be misspelt."], home
    if status < _FAILED:
        return "This address cannot be read", [sentence(error.message) + "."], home
    again = (path, "Try again")
    if status == _UNAVAILABLE:
        explanation = explain(error)
        return explanation.title, [*explanation.what, "AntaREST is still running. Try again later."], again
    return "This page could not be created", ["AntaREST is still running. The details are on its terminal."], again


def _technical(error: AntarestError) -> str:
    return "\n".join([f"{error.code}: {error.message}", *(f"{label}: {text}" for label, text in error.details.items())])
