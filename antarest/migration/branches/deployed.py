"""Records the deployed revision in `alembic.ini`, and finds changes of deployed revision files.

The deployed revision is the current revision of the database in production. It is the target of `rollback.sh`, if
`alembic.ini` records a deployed revision.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors.base import Hint
from ..errors.facts.branches import DeployedUnknown, ReferenceUnusable
from ..errors.facts.project import InvalidProject
from ..errors.revision import BASE
from ..errors.settings.whole_file import write_whole
from ..project.history import History
from ..project.revision_files import does_the_same
from ..project.settings import SECTION, is_toml

if TYPE_CHECKING:
    from ..project.project import Project


def record(project: Project, reference: str) -> tuple[str, str]:
    """Record the deployed revision in `alembic.ini`.

    Args:
        project: the project.
        reference: a revision, or a tag, a branch, a commit or a date.

    Returns:
        The id of the revision, and its tag or commit. The tag or commit is empty if `reference` is a revision.

    Raises:
        DeployedUnknown: the revision is neither the head nor below the head.
        MigrationError: no revision belongs to the reference.
    """
    project.refuse_installed()
    revision = project.resolve(reference)
    history = project.history
    if revision == BASE or revision not in (history.head, *history.states_below([history.head])):
        raise DeployedUnknown(revision, history.head)
    origin, repository = "", project.repository
    if repository and reference != revision and not revision.startswith(reference):
        origin = reference if repository.commit(f"refs/tags/{reference}") else repository.commit(reference)
    _write(project.ini, {"deployed": revision, "deployed_from": origin})
    return revision, origin


def clear(project: Project) -> None:
    """Delete the record of the deployed revision."""
    project.refuse_installed()
    _write(project.ini, {"deployed": "", "deployed_from": ""})


def changed_since(project: Project) -> list[str]:
    """Return a sentence about each change of a deployed revision file since the deployed tag or commit."""
    history, deployed, origin = project.history, project.deployed, project.deployed_from
    if not deployed:
        return []
    if deployed not in history:
        return [f"the deployed revision {deployed} is in no file"]
    repository = project.repository
    if repository is None or not origin:
        return []
    if not (commit := repository.commit(origin)):
        return [f"{origin}, which the deployed revision comes from, is not in this repository"]
    try:
        then = project.references(repository).history_at(commit, origin)
    except ReferenceUnusable as error:
        return [error.message]
    files = repository.files(commit, project.versions, recursive=project.is_recursive)
    was = {id_: then[id_].path for id_ in then.in_order(then.applied([deployed]))}
    facts = [_changed(id_, path.name, files[str(path)], history) for id_, path in was.items()]
    inserted = [id_ for id_ in history.in_order(history.applied([deployed])) if id_ not in then]
    facts += [f"revision {id_} was inserted below the deployed revision" for id_ in inserted]
    return [f"{fact} since {origin}" for fact in facts if fact]


def _changed(id_: str, name: str, content: bytes, history: History) -> str:
    """Return a sentence about the change of a revision file; empty if neither its name nor its code has changed."""
    if id_ not in history:
        return f"revision {id_} was removed"
    path = history[id_].path
    if path.name != name:
        return f"revision {id_} was renamed to {path.name}"
    return "" if does_the_same(content, path.read_bytes()) else f"revision {id_} was changed"


def _write(ini: Path, values: dict[str, str]) -> None:
    """Set keys in the section `[antarest]` of a settings file, or `[tool.antarest]` in a TOML file.

    A key with an empty value is removed. Other lines are not changed.

    Raises:
        InvalidProject: the section of a TOML file is not written as a table with one key on each line.
    """
    name, literal = (
        (f"tool.{SECTION}", json.dumps) if is_toml(ini) else (SECTION, lambda value: value.replace("%", "%%"))
    )
    with ini.open(encoding="utf-8", newline="") as file:
        text = file.read()
    lines = text.splitlines(keepends=True)
    header = re.compile(rf"\[{re.escape(name)}\]")
    start = next((number for number, line in enumerate(lines, 1) if header.match(line)), 0)
    if not start:
        lines += ["\n" if not lines or lines[-1].endswith("\n") else "\n\n", f"[{name}]\n"]
        start = len(lines)
    end_of_line = "\r\n" if lines[start - 1].endswith("\r\n") else "\n"
    end = next((number for number in range(start, len(lines)) if lines[number].startswith("[")), len(lines))
    section = [line for line in lines[start:end] if not re.match(rf"({'|'.join(values)})\s*[=:]", line)]
    last = max((number for number, line in enumerate(section, 1) if line.strip() and line[0] not in "#;"), default=0)
    added = [f"{key} = {literal(value)}{end_of_line}" for key, value in values.items() if value]
    section[last:last] = added
    new = "".join([*lines[:start], *section, *lines[end:]])
    if is_toml(ini) and (said := _refused_as_toml(new)):
        hint = Hint("Write it by hand", " ".join(f"{key} = {literal(value)}" for key, value in values.items()))
        raise InvalidProject(ini, f"[{name}] cannot be changed here: {said}", hint)
    write_whole(ini, new.encode())


def _refused_as_toml(text: str) -> str:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return str(error)
    return ""
