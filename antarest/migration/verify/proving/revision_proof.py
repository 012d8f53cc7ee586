"""Proves one revision on one engine. The revision runs up, down and up again, on tables without rows and with rows."""

from __future__ import annotations

from sqlalchemy import URL

from ...errors.facts.run import ScratchRunFailed
from ...errors.revision import Revision
from ...schema.compare import differences
from ...schema.inventory import Inventory
from ..findings.finding import Finding
from ..findings.kinds import Severity
from ..findings.proof import Proof
from ..findings.rights import differing_rights, read_others, read_rights
from .paths import Reached, another_path
from .row_proof import NO_WAY_BACK, RowProof
from .runs import Runs
from .state import State
from .steps import RevisionStep, refusal

_OFTEN_LEFT = ("extension", "schema")  # Other programs may use these objects, so a downgrade often keeps them.


def prove_revision(runs: Runs, proof: Proof, revision: Revision, state: State, *, is_wanted: bool) -> State | None:
    """Prove a revision.

    Args:
        runs: runs the revisions.
        proof: receives the findings.
        revision: the revision.
        state: the database before the revision.
        is_wanted: True to prove the revision; False to only run its upgrade.

    Returns:
        The database after the revision; None if the upgrade fails on every path. See `another_path`.
    """
    proof.starts_empty = not state.applied
    bare = runs.clones.copy(state.bare)
    try:
        proof.schema = runs.without_rows(bare, RevisionStep(revision.id, "upgrade"), proof)
    except ScratchRunFailed as failed:
        runs.clones.drop(bare)
        reached = another_path(runs, proof, revision, state, failed)
        if reached is None:
            return None
        proof.schema = reached.schema
        if not reached.is_proved:
            if is_wanted:
                _prove_way_back(runs, proof, revision, reached)
            return _gone_on(reached, revision)
        state, bare = reached.state, reached.bare
    proof.is_irreversible = bool(revision.irreversible)
    if not is_wanted:
        state.go_on(revision.id, bare, proof.schema)
        return state
    return _prove_there_and_back(runs, proof, revision, state, bare)


def _prove_there_and_back(runs: Runs, proof: Proof, revision: Revision, state: State, bare: URL) -> State:
    """Prove a revision whose upgrade has already run in the database `bare`. Return the state after the revision."""
    there = None
    with proof.trying("the way back"):
        there = _prove_way_there_and_back(runs, proof, revision, state, bare)
    assert proof.schema is not None  # noqa: S101 - the upgrade has run
    rows = RowProof(runs, proof, revision, proof.schema)
    with proof.trying("the rows before the upgrade"):
        rows.upwards(state)
    state.go_on(revision.id, there or _again(runs, revision, state, bare), proof.schema)
    if not proof.is_irreversible:
        with proof.trying("the rows after the upgrade"):
            rows.downwards(state)
    rows.finish()
    return state


def _gone_on(reached: Reached, revision: Revision) -> State:
    reached.state.go_on(revision.id, reached.bare, reached.schema)
    return reached.state


def _prove_way_back(runs: Runs, proof: Proof, revision: Revision, reached: Reached) -> None:
    """Run the downgrade of a revision whose upgrade succeeds only on another path, and compare the schemas."""
    url = runs.clones.copy(reached.bare)
    with proof.trying("the way back"):
        _downgrade(runs, proof, revision, url, reached.state)
    runs.clones.drop(url)


def _prove_way_there_and_back(runs: Runs, proof: Proof, revision: Revision, state: State, bare: URL) -> URL | None:
    """Run the revision down and up again without rows. Return a database at the revision."""
    if proof.is_irreversible:
        return bare
    is_refused = _downgrade(runs, proof, revision, bare, state)
    if not is_refused and not proof.has(*NO_WAY_BACK):
        try:
            again = runs.without_rows(bare, RevisionStep(revision.id, "upgrade"), proof)
        except ScratchRunFailed as failed:
            proof.add("V305", f"it fails: {failed.reason}")
        else:
            found = differences(proof.schema or state.schema, again)
            proof.add_differences("V305", found, "the first upgrade", "the second upgrade")
            if not found:
                return bare
    return _again(runs, revision, state, bare)


def _again(runs: Runs, revision: Revision, state: State, left: URL) -> URL:
    """Drop the database that the downgrade has left in a wrong state, and return a new database at the revision."""
    runs.clones.drop(left)
    other = runs.clones.copy(state.bare)
    runs.without_rows(other, RevisionStep(revision.id, "upgrade"))
    return other


def _downgrade(runs: Runs, proof: Proof, revision: Revision, url: URL, state: State) -> bool:
    """Run the downgrade, and compare the schemas. Return whether the downgrade refuses to run, or does not exist."""
    if not hasattr(runs.target.script.get_revision(revision.id).module, "downgrade"):
        proof.is_irreversible = True
        proof.findings.append(Finding.of("V406", "the file has no function downgrade()", revision.id))
        return True
    try:
        after = runs.without_rows(url, RevisionStep(revision.id, "downgrade"), proof)
    except ScratchRunFailed as failed:
        if words := refusal(failed, revision):
            proof.is_irreversible = True
            proof.findings.append(Finding.of("V406", words, revision.id))
        elif why := runs.why_not(failed.reason):
            proof.not_proved.append(f"the downgrade: {why}")
        else:
            proof.add("V401", failed.reason)
    else:
        _compare_schemas(proof, state.schema, after)
        _compare_others(runs, proof, state.bare, url)
    return proof.is_irreversible


def _compare_schemas(proof: Proof, before: Inventory, after: Inventory) -> None:
    for each in differences(before, after):
        if each.aspect == "options" and str(each.before).replace("NOT VALID", "").strip() == each.after:
            continue  # No statement makes a validated constraint NOT VALID again.
        is_left = not each.aspect and each.before is None
        severity: Severity = "note" if is_left and each.kind in _OFTEN_LEFT else "error"
        sides = ("the schema before", "the downgraded schema")
        proof.add_differences("V404" if is_left else "V403", [each], *sides, severity=severity)
    for name, table in before.tables.items():
        names = [column.name for column in table.columns]
        now = [column.name for column in after.tables[name].columns] if name in after.tables else names
        if sorted(names) == sorted(now) and names != now:
            proof.add("V405", f"{name}: {', '.join(now)}", expected=", ".join(names), item=name, table=name)


def _compare_others(runs: Runs, proof: Proof, before: URL, after: URL) -> None:
    """Compare the rights in two databases, and the objects that an `Inventory` does not contain (PostgreSQL)."""
    if runs.clones.engine != "postgresql":
        return
    sides = []
    for url in (before, after):
        with runs.connected(url) as connection:
            sides.append((read_rights(connection), read_others(connection)))
    (then, old), (now, new) = sides
    for kind, name in sorted(new - old):
        severity = "note" if kind in _OFTEN_LEFT else "error"
        proof.add("V404", f"{kind} {name}: only in the downgraded schema", severity=severity, item=name)
    for kind, name in sorted(old - new):
        proof.add("V403", f"{kind} {name}: only in the schema before", item=name)
    for name, found in differing_rights(then, now):
        proof.add("V407", found, item=name)
