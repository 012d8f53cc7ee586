"""The page with the schema of the models: a Mermaid diagram, which GitHub renders, and a line about each table."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from sqlalchemy import Column, MetaData
from sqlalchemy.orm import registry

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject
from ..errors.facts.refusal import PackageMissing
from ..errors.settings.whole_file import write_whole
from ..project.project import Project
from .generated import block, with_block

_NAME = "schema"
_LABELS = 10  # at most so many labels of an enum are shown
_PAGE = f"""\
# The schema

<!-- generated: {_NAME} (by inv db.diagram) -->
<!-- end -->
"""


def render(project: Project) -> str:
    """Return the diagram and the list of the tables as Markdown.

    Raises:
        InvalidProject: `alembic.ini` names no metadata, or the metadata cannot be imported.
        PackageMissing: the package that draws the diagram is not installed.
    """
    metadata = project.metadata()
    holds = _holds(project, metadata)
    rows = [f"| `{name}` | {holds.get(name, '')} |" for name in sorted(metadata.tables)]
    tables = "\n".join(["| table | holds |", "|---|---|", *rows])
    return f"```mermaid\n{_draw(metadata)}```\n\n{tables}\n"


def is_in_sync(project: Project) -> bool:
    """Return whether the page with the diagram is up to date, or the project has no such page."""
    path = project.diagram
    if path is None:
        return True
    return path.is_file() and block(path.read_text(encoding="utf-8"), _NAME) == render(project)


def write(project: Project) -> Path:
    """Write the page, or the generated part of an existing page.

    Raises:
        InvalidProject: `alembic.ini` names no page, or the existing page has no marks around a generated part.
    """
    path = project.diagram
    if path is None:
        hint = Hint("Name it in the file", "[antarest] diagram = docs/schema.md")
        raise InvalidProject(project.ini, "[antarest] diagram is not named", hint)
    text = path.read_text(encoding="utf-8") if path.is_file() else _PAGE
    try:
        text = with_block(text, _NAME, render(project))
    except ValueError as error:
        hint = Hint("Add both lines where the diagram belongs, or delete the page, then write it", "inv db.diagram")
        raise InvalidProject(path, str(error), hint) from None
    write_whole(path, text.encode())
    return path


def _draw(metadata: MetaData) -> str:
    try:
        from paracelsus.transformers.mermaid import Mermaid
    except ImportError:
        raise PackageMissing("paracelsus", "inv db.diagram") from None

    class Diagram(Mermaid):
        """A Mermaid diagram. A line shows whether its foreign key is unique, and whether the key can be NULL."""

        def _relationships(self, column: Column[object]) -> str:
            lines = str(super()._relationships(column))
            if column.nullable:  # A row can refer to no row.
                lines = lines.replace(" ||--", " |o--")
            if column.primary_key and len(column.table.primary_key) > 1:  # One part of a primary key is not unique.
                lines = lines.replace("--o| ", "--o{ ")
            return lines

    return str(Diagram(metadata, column_sort="preserve-order", max_enum_members=_LABELS))


def _holds(project: Project, metadata: MetaData) -> dict[str, str]:
    """Return a mapping from the name of each table to the first paragraph of the docstring of its model.

    The classes are found through the declarative base, which has to be in the same module as the metadata.
    """
    if not project.metadata_name:  # `env.py` gives the metadata, and no module is known.
        return {}
    module = importlib.import_module(project.metadata_name.partition(":")[0])
    exported = [getattr(value, "registry", None) for value in vars(module).values()]
    registries = {each for each in exported if isinstance(each, registry) and each.metadata is metadata}
    return {
        str(mapper.local_table): " ".join(inspect.cleandoc(mapper.class_.__doc__ or "").partition("\n\n")[0].split())
        for each in registries
        for mapper in each.mappers
    }
