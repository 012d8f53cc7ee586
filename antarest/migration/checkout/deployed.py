"""What production runs: recorded in `alembic.ini`, and what was changed below it since.

While it is recorded, `rollback.sh` goes there, and the revisions at or below it are history: others have applied them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from antarest.migration.checkout.refs import history_at
from antarest.migration.errors import DeployedUnknown, ReferenceUnusable
from antarest.migration.history import BASE, History
from antarest.migration.revision_files import does_the_same

if TYPE_CHECKING:
    from antarest.migration.project import Project

_SECTION = "antarest"


def record(project: Project, reference: str) -> tuple[str, str]:
    """Record what production runs.

    Args:
        project: the project.
        reference: a revision, or a tag, a branch, a commit or a date.

    Returns:
        The revision, and the tag or commit that it comes from; empty where a revision was given.

    Raises:
        DeployedUnknown: it is not below the head.
        MigrationError: the reference stands for no revision.
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
    """Record that production runs nothing."""
    project.refuse_installed()
    _write(project.ini, {"deployed": "", "deployed_from": ""})


def changed_since(project: Project) -> list[str]:
    """What was changed at or below the deployed revision since it was deployed, one fact each."""
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
        then = history_at(project, repository, commit, origin)
    except ReferenceUnusable as error:
        return [error.message]
    files = {Path(name).name: content for name, content in repository.files(commit, project.versions).items()}
    was = {id_: then[id_].path.name for id_ in then.order if id_ in then.applied([deployed])}
    facts = [_changed(id_, name, files[name], history) for id_, name in was.items()]
    inserted = [id_ for id_ in history.order if id_ in history.applied([deployed]) and id_ not in then]
    facts += [f"revision {id_} was inserted below the deployed revision" for id_ in inserted]
    return [f"{fact} since {origin}" for fact in facts if fact]


def _changed(id_: str, name: str, content: bytes, history: History) -> str:
    """How the file of a revision differs from what it was; empty where it does the same under the same name."""
    if id_ not in history:
        return f"revision {id_} was removed"
    path = history[id_].path
    if path.name != name:
        return f"revision {id_} was renamed to {path.name}"
    return "" if does_the_same(content, path.read_bytes()) else f"revision {id_} was changed"


def _write(ini: Path, values: dict[str, str]) -> None:
    """Set keys of our section, and remove those without a value; every other line stays as it is."""
    lines = ini.read_text(encoding="utf-8").splitlines()
    header = f"[{_SECTION}]"
    if header not in (line.strip() for line in lines):
        lines += ["", header]
    start = next(number for number, line in enumerate(lines) if line.strip() == header) + 1
    end = next((number for number in range(start, len(lines)) if lines[number].startswith("[")), len(lines))
    kept = [line for line in lines[start:end] if not re.match(rf"({'|'.join(values)})\s*[=:]", line)]
    while kept and not kept[-1].strip():
        kept.pop()
    kept += [f"{key} = {value.replace('%', '%%')}" for key, value in values.items() if value]
    tail = ["", *lines[end:]] if lines[end:] else []
    ini.write_text("\n".join([*lines[:start], *kept, *tail]) + "\n", encoding="utf-8")
