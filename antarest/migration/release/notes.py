"""The part of release notes that is about the database: the changes, losses and costs of each revision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..database.connection import moving
from ..errors.listener import Listener
from ..errors.revision import BASE, Revision
from ..errors.text import count
from ..project.project import Project
from ..schema.compare import Difference, differences
from ..schema.reflection import reflect
from ..scratch.databases import postgres_server, scratch_database
from ..scratch.runner import ScratchRunner
from ..verify import Verification, prove_history
from ..verify.env_reader import target_of
from ..verify.findings.proof import Proof
from . import RevisionRange


def write_notes(project: Project, between: RevisionRange, listener: Listener) -> str:
    """Return the release notes of some revisions as Markdown.

    Args:
        project: the Alembic project.
        between: the revisions of the release.
        listener: receives the progress: the revision that is being measured.

    Raises:
        NoPostgres: no PostgreSQL is available.
    """
    lines = [
        f"# Database: {between.start} to {between.end}",
        "",
        f"{count(len(between.revisions), 'revision')}, in the order of the upgrade; a rollback begins at the end.",
    ]
    if between.revisions:
        changes, proofs = _changes(project, between), _measure(project, between, listener)
        for revision in between.revisions:
            lines += ["", *_revision(revision, changes[revision.id], proofs.get(revision.id))]
    return "\n".join(lines) + "\n"


def _revision(revision: Revision, changes: list[str], proof: Proof | None) -> Iterator[str]:
    yield f"## {revision.message} (`{revision.id}`)"
    yield ""
    yield from (f"- {change}" for change in changes or ["no change of the schema"])
    for direction in ("upgrade", "downgrade"):
        verb = "The upgrade" if direction == "upgrade" else "Its rollback"
        for item, reason in revision.lossy.get(direction, {}).items():
            yield f"- {verb} loses `{item}`: {reason}"
    for source, destination in revision.moves.items():
        yield f"- Values of `{source}` move to `{destination}`"
    if revision.irreversible:
        yield f"- It cannot be rolled back: {revision.irreversible}"
    if proof:
        yield f"- Impact on PostgreSQL: {_impact(proof)}"


def _impact(proof: Proof) -> str:
    impact = proof.impact
    parts = [f"{impact.seconds:.2f} s on a few rows"]
    parts += [f"`{table}` is locked ({mode})" for table, mode in sorted(impact.locks.items())]
    parts += [f"`{table}` is rewritten" for table in impact.rewritten]
    return "; ".join(parts)


def _changes(project: Project, between: RevisionRange) -> dict[str, list[str]]:
    """Return, for each revision, its changes of the schema on PostgreSQL, with one line for each change."""
    result: dict[str, list[str]] = {}
    with postgres_server() as server, scratch_database("postgresql", server) as url, moving(url) as connection:
        runner = ScratchRunner.of(project)
        if between.start != BASE:
            runner.upgrade(connection, [between.start])
        before = reflect(connection, exclude=project.workflow_tables)
        for revision in between.revisions:
            runner.upgrade(connection, [revision.id])
            after = reflect(connection, exclude=project.workflow_tables)
            result[revision.id] = [_change(each) for each in _without_key_sequences(differences(before, after))]
            before = after
    return result


def _without_key_sequences(found: Sequence[Difference]) -> list[Difference]:
    """Return the differences without the sequences that PostgreSQL creates or drops with the keys of their tables."""
    tables = [each.path for each in found if each.kind == "table" and not each.aspect]
    keys = tuple(f"{table}_" for table in tables)
    return [
        each
        for each in found
        if each.kind != "sequence" or not (each.path.startswith(keys) and each.path.endswith("_seq"))
    ]


def _change(difference: Difference) -> str:
    if difference.aspect:
        return difference.render("before", "now")
    return f"{'drops' if difference.after is None else 'adds'} {difference.kind} `{difference.path}`"


def _measure(project: Project, between: RevisionRange, listener: Listener) -> dict[str, Proof]:
    """Prove revisions on PostgreSQL, to measure their impact on rows. Return the proofs by id of the revision."""
    found = Verification(("postgresql",))
    target = target_of(str(project.ini), None, None, None)
    prove_history(
        target,
        found,
        select=lambda _target: [revision.id for revision in between.revisions],
        on_proof=lambda proof: listener.working(f"measuring {proof.revision}", 0, 0),
    )
    return {revision: proof for (revision, _), proof in found.proofs.items() if revision}
