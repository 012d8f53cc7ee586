"""Formats values for pages: times, sizes, numbers, and names with any characters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from antarest import __version__
from antarest.desktop.schema.diagram import HEADER
from antarest.migration.errors.text import count, size
from antarest.study.model import PublicMode, StudyContentStatus

if TYPE_CHECKING:
    from antarest.desktop.pages.study_trees import TreeStudy

FOLDER = Path(__file__).parents[1]
_FILES = {
    StudyContentStatus.WARNING.name: ("warn", "files with warnings"),
    StudyContentStatus.ERROR.name: ("bad", "files with errors"),
}


def environment() -> Environment:
    """Return the environment for the templates. Values are escaped, and an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.globals |= {"version": __version__, "header": HEADER}
    made.filters |= {
        "bytes": size,
        "code": code,
        "count": count,
        "day": day,
        "isolate": isolate,
        "marked": marked,
        "moment": moment,
        "query": query,
        "rights": rights,
        "sentence": sentence,
        "state": lambda study: list(state(study)),
    }
    return made


def day(time: datetime, *, year: bool = True) -> Markup:
    """Return a date, such as `3 Nov 2026`, with the time in its tooltip."""
    shown = f"{time.day} {time:%b}" + (f" {time.year}" if year else "")
    return Markup('<time datetime="{}Z" title="{}">{}</time>').format(_iso(time), _moment(time), shown)


def moment(time: datetime) -> Markup:
    """Return a time, such as `3 Nov 2026, 14:05 UTC`."""
    return Markup('<time datetime="{}Z">{}</time>').format(_iso(time), _moment(time))


def _iso(time: datetime) -> str:
    return time.replace(microsecond=0, tzinfo=None).isoformat()


def _moment(time: datetime) -> str:
    return f"{time.day} {time:%b} {time.year}, {time:%H:%M} UTC"


def isolate(name: str) -> Markup:
    """Return a name for a sentence, isolated so that a right-to-left name does not reorder the words around it."""
    return Markup("<bdi>{}</bdi>").format(name)


def marked(name: str, search: str) -> Markup:
    """Return a name with the search text marked in it."""
    if not search:
        return escape(name)
    parts = re.split(f"({re.escape(search)})", name, flags=re.IGNORECASE)
    # Every second part is a match.
    return Markup("").join(Markup("<mark>{}</mark>").format(part) if i % 2 else part for i, part in enumerate(parts))


def code(text: str) -> Markup:
    """Return the text of a docstring, with the parts between backquotes as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def query(parameters: Sequence[tuple[str, object]]) -> str:
    """Return parameters as the query string of an address."""
    return urlencode([(name, str(value)) for name, value in parameters])


def sentence(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def rights(mode: PublicMode) -> str:
    """Return a text for the rights that every user has on a study."""
    return {"NONE": "not see it", "READ": "read it", "EXECUTE": "read and run it", "EDIT": "change it"}.get(
        mode.name, "do everything with it"
    )


def state(study: TreeStudy) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each badge of a study."""
    if study.missing_since:
        yield "bad", "files missing"
    elif study.content_status in _FILES:
        yield _FILES[study.content_status]
    if study.is_generating:
        yield "accent", "being generated"
    elif study.is_variant and not study.is_generated:
        yield "", "not generated"
    if study.archived:
        yield "", "archived"
