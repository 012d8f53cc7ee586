"""The gate for CI and hooks: one head, `rollback.sh` and diagram in sync, models equal to the migrations."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from ..database.connection import moving
from ..project import rollback_script
from ..project.project import Project
from ..schema import reflection
from ..scratch.databases import PostgresServer, postgres_server, scratch_database
from ..scratch.migrated import scratch_at
from ..scratch.runner import ScratchRunner
from . import diagram, writing
from .deployed import changed_since


@dataclass(frozen=True)
class CheckFailure:
    """A fault that must not be merged.

    Attributes:
        check: the check that found it.
        fact: the fault.
        command: a command that fixes it, or shows more.
    """

    check: str
    fact: str
    command: str


def check(project: Project, edited: Sequence[str] = ()) -> list[CheckFailure]:
    """Run every check.

    Args:
        project: the project.
        edited: the revisions whose file was changed after it was applied to the database of whoever asks.

    Raises:
        MigrationError: the revision files do not even make a history.
        NoPostgres: there is no PostgreSQL server to be had.
    """
    for id_ in project.history.order:
        _ = project.history[id_].message  # Every file is read as a whole, also where nothing else needs it.
    findings = [*_heads(project), *_rollback_script(project)]
    findings += [
        CheckFailure(
            "record", f"the file of revision {id_} was edited after it was applied to this database", "inv db.sync"
        )
        for id_ in edited
    ]
    findings += [CheckFailure("deployed", fact, _since_deployed(project)) for fact in changed_since(project)]
    if project.metadata_name:
        findings += [
            CheckFailure("registry", fact, f"import it in {project.metadata_name.partition(':')[0]}")
            for fact in unregistered(project)
        ]
        findings += _diagram(project)
        findings += _drift(project, "sqlite")
        with ExitStack() as stack:
            findings += _drift(project, "postgresql", stack.enter_context(postgres_server()))
    return findings


def _since_deployed(project: Project) -> str:
    """What shows the changes since then; where nobody knows since when, what corrects the record of it."""
    since = project.deployed_from
    return f"git diff {since} -- {project.folder}" if since else "inv db.deployed REF"


def _heads(project: Project) -> Iterator[CheckFailure]:
    heads = project.history.heads
    if len(heads) > 1:
        yield CheckFailure("heads", f"the history has {len(heads)} heads: {', '.join(heads)}", "inv db.history")


def _rollback_script(project: Project) -> Iterator[CheckFailure]:
    path, history = project.rollback_script, project.history
    if project.deployed in history and len(history.heads) == 1:
        head = history.head
        if project.deployed not in (head, *history.states_below([head])):
            yield CheckFailure(
                "deployed", f"revision {project.deployed} is not below the head {head}", "inv db.history"
            )
    if path and not rollback_script.is_in_sync(project):
        revision, head = rollback_script.parse(path)
        found = f"it goes from {head} to {revision}" if head else "it is missing or was edited"
        yield CheckFailure(
            "rollback script", f"{path.name} is not what the history gives: {found}", "inv db.rollback-script"
        )


def unregistered(project: Project) -> Iterator[str]:
    """Import every module of the models' package that is named `model`, and see whether tables appear."""
    metadata = project.metadata()
    registered = set(metadata.tables)
    package = importlib.import_module(project.metadata_name.partition(":")[0].partition(".")[0])
    folders = getattr(package, "__path__", ())  # a single module has no others
    for module in pkgutil.walk_packages(folders, f"{package.__name__}."):
        if module.name.rpartition(".")[2] in ("model", "models"):
            importlib.import_module(module.name)
            for table in sorted(set(metadata.tables) - registered):
                registered.add(table)
                yield f"table {table} of {module.name} is not registered"


def _diagram(project: Project) -> Iterator[CheckFailure]:
    if project.diagram and project.is_checkout and not diagram.is_in_sync(project):
        yield CheckFailure(
            "diagram", f"{project.diagram.name} does not show the models as they are now", "inv db.diagram"
        )


def were_not_imported(found: Sequence[reflection.Difference], migrated: reflection.Inventory) -> int:
    """How many tables have no model, where that is most of them: then the models were not imported; else 0."""
    dropped = sum(each.kind == "table" and each.after is None for each in found)
    return dropped if dropped > 1 and dropped * 2 > len(migrated.tables) else 0


def _drift(project: Project, engine: str, server: PostgresServer | None = None) -> Iterator[CheckFailure]:
    heads = project.history.heads
    if engine == "sqlite":
        with scratch_at(project, heads) as connection:
            migrated = reflection.reflect(connection, exclude=project.workflow_tables)
    else:
        with scratch_database("postgresql", server) as url, moving(url) as connection:
            ScratchRunner.of(project).upgrade(connection, heads)
            migrated = reflection.reflect(connection, exclude=project.workflow_tables)
    models = writing.models_inventory(project, engine, server)
    differences = reflection.differences(migrated, models)
    if unmodelled := were_not_imported(differences, migrated):
        yield CheckFailure(
            "models",
            f"{engine}: {unmodelled} of {len(migrated.tables)} tables have no model: the models were not imported",
            f"import them in {project.metadata_name.partition(':')[0]}",
        )
        return
    for difference in differences:
        fact = f"{engine}: {difference.render('the migrations', 'the models')}"
        yield CheckFailure("models", fact, 'inv db.revision --message="..."')
