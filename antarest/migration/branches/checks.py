"""The checks for CI and hooks, for example that there is one head, and that the models equal the migrations."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..database.waits import Tell, say_nothing
from ..errors.baseline import FILE_NAME
from ..errors.facts.project import EnvNotAdopted
from ..errors.settings.db_config import DbConfig
from ..errors.settings.urls import ENGINES
from ..errors.text import count, shorten
from ..project import rollback_script
from ..project.project import Project
from ..schema.compare import were_not_imported
from ..scratch.comparison import BOTH, Bench, Comparison, bench
from ..scratch.included import switched_off
from ..workflow.status import EDITED, Status
from . import diagram, snapshots
from .deployed import changed_since
from .writing.libraries import operations_of_libraries

_MOST_NAMED = 12  # in one line
_WRITE = 'inv db.revision --message="..."'


@dataclass(frozen=True)
class CheckFailure:
    """A fault that must not be merged.

    Attributes:
        check: the check that found the fault.
        fact: a sentence about the fault.
        command: a command that fixes the fault, or shows more about it.
    """

    check: str
    fact: str
    command: str


@dataclass(frozen=True)
class Check:
    """One check of a project.

    Attributes:
        claim: what is true if there are no failures, such as "one head".
        failures: the faults that the check found.
        skipped: the reason why the check was not made; empty if the check was made.
    """

    claim: str
    failures: Sequence[CheckFailure] = ()
    skipped: str = ""


def check(
    project: Project,
    status: Status | None = None,
    db: DbConfig | None = None,
    note: Tell = say_nothing,
) -> list[Check]:
    """Make every check for which the project has the necessary settings.

    Args:
        project: the project.
        status: the status of the configured database; None if this database cannot be reached, as on a build server.
        db: the configured database. It is only read, to create scratch databases like it.
        note: called with a message before a scratch database is created on the server of the configured database.

    Returns:
        The result of each check, including the checks that were skipped.

    Raises:
        MigrationError: the revision files do not form a history, or a revision fails on an engine of the project.
        NoPostgres: the project needs PostgreSQL, and there is no server.
    """
    for id_ in project.history.order:
        _ = project.history[id_].message  # This reads the whole file.
    no_models = _no_models(project)
    no_module = "" if project.metadata_name else "[antarest] metadata is not set"
    return [
        _heads(project),
        _rollback_script(project),
        *([_unchanged_since_deployed(project)] if project.deployed else []),
        _unedited(status),
        Check("every model registered", [] if no_module else [*_registry(project)], no_module),
        _diagram(project, no_models),
        *_snapshots(project),
        *_drift(project, db, note, no_models),
    ]


def _no_models(project: Project) -> str:
    """Return the reason why the models of the project are not known; empty if the models are known."""
    try:
        return "" if project.has_metadata else "neither env.py nor [antarest] names the metadata of the models"
    except EnvNotAdopted as error:
        if error.failed:  # This is a fault, and not the state before the adoption.
            raise
        return error.message


def _heads(project: Project) -> Check:
    claim, history, heads = "one head", project.history, project.history.heads
    if history.stays_apart:
        return Check(f"{len(heads)} heads of branches that stay apart")
    if len(heads) > 1:
        fact = f"the history has {len(heads)} heads: {', '.join(heads)}"
        return Check(claim, [CheckFailure("heads", fact, "inv db.history")])
    if project.deployed in history and project.deployed not in (*heads, *history.states_below(heads)):
        fact = f"revision {project.deployed} is not below the head {history.head}"
        return Check(claim, [CheckFailure("deployed", fact, "inv db.history")])
    return Check(claim)


def _rollback_script(project: Project) -> Check:
    claim, path = "rollback.sh in sync", project.rollback_script
    if path is None:
        return Check(claim, skipped="[antarest] rollback_script is not set")
    if not rollback_script.has_target(project):
        return Check(claim, skipped="the history has several heads, so no script can go back from them")
    if rollback_script.is_in_sync(project):
        return Check(claim)
    revision, head = rollback_script.parse(path)
    found = f"it goes from {head} to {revision}" if head else "it is missing or was edited"
    fact = f"{path.name} is not what the history gives: {found}"
    return Check(claim, [CheckFailure("rollback script", fact, "inv db.rollback-script")])


def _unchanged_since_deployed(project: Project) -> Check:
    """Check that nobody has changed the deployed revisions, because databases in production have run them."""
    claim, since = "nothing changed below the deployed revision", project.deployed_from
    # Without a tag or commit, the only possible fault is a recorded revision that has no file.
    command = f"git diff {since} -- {project.folder}" if since else "inv db.deployed REF"
    failures = [CheckFailure("deployed", fact, command) for fact in changed_since(project)]
    if not failures and not (since and project.repository):
        return Check(claim, skipped="it was recorded without a tag or commit" if project.repository else "no git here")
    return Check(claim, failures)


def _unedited(status: Status | None) -> Check:
    claim = "no applied file edited"
    if status is None:
        return Check(claim, skipped="the configured database cannot be asked")
    fact = "the file of revision {} was edited after it was applied to this database"
    failures = [CheckFailure("record", fact.format(id_), "inv db.sync") for id_ in status.edited]
    return Check(claim, failures, status.not_checked.get(EDITED, ""))


def _registry(project: Project) -> Iterator[CheckFailure]:
    for fact in unregistered(project):
        yield CheckFailure("registry", fact, f"import it in {project.metadata_name.partition(':')[0]}")


def unregistered(project: Project) -> Iterator[str]:
    """Import every module named `model` or `models`, and yield a sentence about each unregistered table."""
    metadata = project.metadata()
    registered = set(metadata.tables)
    package = importlib.import_module(project.metadata_name.partition(":")[0].partition(".")[0])
    folders = getattr(package, "__path__", ())  # a single module has no submodules
    for module in pkgutil.walk_packages(folders, f"{package.__name__}."):
        if module.name.rpartition(".")[2] in ("model", "models"):
            importlib.import_module(module.name)
            for table in sorted(set(metadata.tables) - registered):
                registered.add(table)
                yield f"table {table} of {module.name} is not registered"


def _diagram(project: Project, no_models: str) -> Check:
    claim, path = "diagram in sync", project.diagram
    if path is None or no_models:
        return Check(claim, skipped=no_models if path else "[antarest] diagram is not set")
    if not project.is_checkout:
        return Check(claim, skipped="this is not a checkout")
    if diagram.is_in_sync(project):
        return Check(claim)
    return Check(
        claim, [CheckFailure("diagram", f"{path.name} does not show the models as they are now", "inv db.diagram")]
    )


def _snapshots(project: Project) -> Iterator[Check]:
    """Check that the snapshots of the project are up to date."""
    if snapshots.kept(project):
        old = [
            CheckFailure("snapshot", f"{path.name} is out of date: {why}", "inv db.snapshot")
            for path, why in snapshots.stale(project)
        ]
        yield Check("snapshots in sync", old)


def drift(project: Project, db: DbConfig | None) -> list[CheckFailure]:
    """Return the differences between the models and the migrations, on each engine that the project has.

    Args:
        project: the project.
        db: the configured database. It is only read, to create scratch databases like it.
    """
    with bench(project, db) as compared:
        return _failures(project, compared, compared.compare())


def _drift(project: Project, db: DbConfig | None, note: Tell, no_models: str) -> list[Check]:
    """Check that the models equal the migrations, on each engine that the project has."""
    if no_models:
        engines = project.engines or BOTH
        return [Check(_equal_on([ENGINES[each] for each in engines]), skipped=no_models)]
    with bench(project, db, note) as compared:
        made = compared.compare()
        found = _failures(project, compared, made)
    claim = _equal_on([each.name for each in made])
    new = [each for each in found if each.fact not in project.baseline.drift]
    if len(new) < len(found):
        claim = f"{claim}, except for {count(len(found) - len(new), 'difference')} in {FILE_NAME}"
    checks = [Check(claim, new)]
    for comparison in made:
        named = (
            (f"{each.aspect} of " if each.aspect else "", each.kind, each.path) for each in comparison.not_compared
        )
        if shown := sorted({f"{aspect}{kind} {path}" for aspect, kind, path in named}):
            claim = f"{shorten(shown, _MOST_NAMED)} on {comparison.name}"
            checks.append(Check(claim, skipped="only the migrations make it, and no model has it"))
        equal = [f"{each.aspect} of {each.path} on {comparison.name}" for each in comparison.called_equal]
        checks += [Check(each, skipped=f"a function of {project.env.name} says that it is equal") for each in equal]
    off = switched_off(project.options).items()
    checks += [Check(f"{aspect} of each column", skipped=f"env.py says {option}") for aspect, option in off]
    skipped = [Check(_equal_on([ENGINES[engine]]), skipped=why) for engine, why in compared.skipped.items()]
    return [*checks, *skipped]


def _equal_on(engines: Sequence[str]) -> str:
    where = "both engines" if len(engines) == len(BOTH) else engines[0]
    return f"models equal to the migrations on {where}"


def _failures(project: Project, compared: Bench, made: Sequence[Comparison]) -> list[CheckFailure]:
    """Return the differences that were found. If there are none, ask the libraries of `env.py` for differences."""
    if found := [*_different(project, made)]:
        return found
    engine = made[0].engine
    facts = operations_of_libraries(project, compared.at_head[engine])
    return [CheckFailure("models", f"{engine}: {fact}, says a library of {project.env.name}", _WRITE) for fact in facts]


def _different(project: Project, made: Sequence[Comparison]) -> Iterator[CheckFailure]:
    for comparison in made:
        migrated = comparison.migrated
        if unmodelled := were_not_imported(comparison.found, migrated):
            yield CheckFailure(
                "models",
                f"{comparison.engine}: {unmodelled} of {len(migrated.tables)} tables have no model: "
                "the models were not imported",
                f"import them in {project.metadata_name.partition(':')[0] or project.env.name}",
            )
            continue
        for difference in comparison.found:
            fact = f"{comparison.engine}: {difference.render('the migrations', 'the models')}"
            yield CheckFailure("models", fact, _WRITE)
