"""Proves the history as a whole: runs all revisions at once, compares the models, and upgrades older databases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from ...errors.base import AntarestError
from ...errors.facts.run import ScratchRunFailed
from ...errors.text import described, reason, shorten
from ...schema.compare import differences
from ...schema.inventory import Inventory
from ...scratch.migrated import load_snapshot
from ...snapshot.facts import read_facts, unequal
from ...snapshot.file import Doubt, path_of
from ..findings.behaviour import behaviour
from ..findings.finding import Finding
from ..findings.lints import lints
from ..findings.proof import Proof
from ..findings.rights import missing_rights
from ..target import Target
from .changed import Changed
from .drift import compare_models
from .runs import Runs
from .state import State, everywhere


def prove_whole(
    runs: Runs,
    since: Sequence[Target],
    states: Sequence[State],
    blocked: Collection[str],
    start: Inventory | None,
) -> Proof:
    """Prove that one run can apply all revisions, that the models match, and that older databases can be upgraded.

    Args:
        runs: runs the revisions.
        since: the earlier versions of the project that other databases have run.
        states: the states of the database at head. There are several if the history has alternative bases.
        blocked: the ids of the revisions that cannot run, because they or earlier revisions failed.
        start: the schema before the revisions that are proved; None if no revision is proved.
    """
    proof = Proof("", runs.clones.engine)
    if blocked:
        proof.not_proved.append("the whole history in one run: a revision does not run")
        return proof
    proof.not_tried += [f"env.py: {each} was refused" for each in runs.refused]
    for state in states:
        with proof.trying("the whole history in one run"):
            url = _prove_one_run(runs, proof, state, is_only=len(states) == 1)
            if url:
                _prove_snapshot(runs, proof, url)
    with proof.trying("several revisions in one run, on rows"):
        for revision, url in runs.writers.items():
            _prove_run_on_rows(runs, proof, revision, url)
    last = states[-1]
    with proof.trying("the models"):
        compare_models(runs, proof, last, start)
    _look_at_head(runs, proof, last)
    proof.findings += lints(last.schema, start, last.made_by, proof.engine)
    for each in since:
        with proof.trying("a database from before"):
            _prove_since(runs, proof, each, last)
    return proof


def _look_at_head(runs: Runs, proof: Proof, last: State) -> None:
    """Look for missing rights, and try changes to rows."""
    with proof.trying("the rights"), runs.connected(last.bare) as connection:
        metadata = runs.target.metadata
        application = metadata if metadata is not None and metadata.tables and not runs.target.is_own else None
        version_table = runs.target.project.version_table.name
        proof.findings += missing_rights(proof, connection, last.made_by, version_table, application)
    with proof.trying("the changes to rows at head"):
        filled = last.filled(everywhere)
        with runs.connected_as_application(filled.url) as connection:
            proof.behaviour = behaviour(connection, last.schema, filled.rows)


def _prove_one_run(runs: Runs, proof: Proof, state: State, *, is_only: bool) -> URL | None:
    """Run all revisions in one run, and return the URL of the database; None if a revision fails."""
    url = runs.new()
    heads = ("heads",) if is_only else _heads(runs, state)
    why = runs.upgrade(url, runs.target, heads)
    if why and runs.clones.engine == "sqlite" and not runs.target.is_own:
        # On SQLite, plain Alembic commits each revision. Therefore a second connection can see its effect.
        url = runs.new()
        with suppress(ScratchRunFailed):
            runs.only_upgrade(url, state.applied, as_alembic=True)
            why = ""
    if why:
        if why in runs.failures:
            proof.not_proved.append("the whole history in one run: a revision does not run")
        else:
            proof.add("V304", why)
        return None
    found = differences(state.schema, runs.schema(url))
    proof.add_differences("V303", found, "separate runs", "one run")
    return url


def _prove_snapshot(runs: Runs, proof: Proof, replayed: URL) -> None:
    """Prove that a database that has loaded the snapshot equals a database that has run the revisions."""
    project = runs.target.project
    if not path_of(project, runs.clones.engine).is_file():
        return
    url = runs.new()
    try:
        with runs.connected(url) as connection:
            if not load_snapshot(project, connection, project.history.heads):
                return
    except Doubt as doubt:  # No command loads such a snapshot.
        proof.not_tried.append(f"the snapshot: {doubt}")
        return
    except DBAPIError as error:
        proof.add("V309", f"its statements do not run: {reason(error)}")
        return
    facts = []
    for each in (url, replayed):
        with runs.connected(each) as connection:
            facts.append(read_facts(connection, project.workflow_tables))
    if different := unequal(*facts):
        proof.add("V309", f"they differ in {shorten(different)}")


def _prove_run_on_rows(runs: Runs, proof: Proof, first: str, url: URL) -> None:
    """Run a revision and all later revisions in one run, on tables with rows.

    The first revision writes rows that a deferred constraint checks. This check happens at the commit, after all
    revisions.
    """
    history = runs.target.history
    heads = [each for each in history.heads if first in history.applied([each])]
    try:
        with runs.connected(url) as connection:
            runs.target.runner.upgrade(connection, heads)
    except ScratchRunFailed as failed:
        is_known = failed.reason in runs.failures or any(each.found == failed.reason for each in proof.findings)
        if failed.revision != first and not is_known:
            found = f"{failed.reason} (after {first} in the same run)"
            proof.findings.append(Finding.of("V308", found, failed.revision, proof.engine))


def _heads(runs: Runs, state: State) -> tuple[str, ...]:
    below = {down for id_ in state.applied for down in runs.target.history[id_].predecessors}
    return tuple(id_ for id_ in state.applied if id_ not in below)


def _prove_since(runs: Runs, proof: Proof, since: Target, state: State) -> None:
    """Prove that a database which has run the earlier revision files gets the same schema as a new database."""
    history = runs.target.history
    if gone := [since.history[id_] for id_ in since.history.order if id_ not in history]:
        proof.add("V901", *(f"{each.id} is not there any more (its file was {each.path.name})" for each in gone))
        return
    url = runs.new()
    if why := runs.upgrade(url, since):
        proof.not_proved.append(f"a database from before: the earlier revisions do not run: {why}")
        return
    try:
        why = runs.upgrade(url, runs.target)
    except AntarestError:
        raise
    except Exception as error:  # noqa: BLE001 - Alembic refuses a database whose heads are on one line now
        why = described(error)
    changed = Changed(since, runs.target)
    if why:
        proof.findings.append(changed.finding(proof.engine, f"a database from before cannot be upgraded: {why}"))
        return
    for each in differences(state.schema, runs.schema(url)):
        text = each.render("a new database", "a database from before")
        proof.findings.append(changed.finding(proof.engine, text, item=each.path, table=each.table))
