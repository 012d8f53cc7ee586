"""The verbs that only development needs."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

from ...errors.base import EXIT_DONE, AntarestError, Hint
from ...errors.facts.configuration import UsageError
from ...errors.facts.refusal import PackageMissing
from ...errors.settings.urls import ENGINES, normalise_url
from ...errors.text import count, fields
from ...project.project import Project
from ..boundary import CommandContext
from ..rendering import results

_STUDIES = "200"


def seed(context: CommandContext, *, studies: str | None = None, allow_production: bool = False) -> int:
    """Fill an empty development database with believable data."""
    if not re.fullmatch(r"[1-9][0-9]{0,6}", wanted := studies or _STUDIES):
        hint = Hint("Give a number, or leave it out", f"inv db.seed --studies={_STUDIES}")
        raise UsageError(f"--studies must be a whole number from 1 to 9999999, not {wanted!r}", hint)
    from ...branches import seeding  # Imported here: other commands do not wait for it.

    context.introduce()
    began, rows = time.monotonic(), Counter[str]()
    for table, number in seeding.seed(context.workflow, int(wanted), allow_production=allow_production):
        rows[table] += number
        context.progress.show(f"{count(rows.total(), 'row')}, {table}")
    context.progress.stop()
    context.report(results.seeded(rows, time.monotonic() - began))
    return EXIT_DONE


def diagram(context: CommandContext) -> int:
    """Write the schema of the models as a page with a Mermaid diagram."""
    from ...branches import diagram as page

    path = page.write(context.project)
    context.report(f"{path}: {count(len(context.project.metadata().tables), 'table')}")
    return EXIT_DONE


def snapshot(context: CommandContext, *, prove: str | None = None) -> int:
    """Write the snapshots: the schema at head, which a new database loads instead of running every revision."""
    from ...branches import snapshots

    project = context.project
    if prove:
        path = snapshots.prove(project, normalise_url(prove))
        context.report(results.near(path) if path else "nothing to do: the snapshot was proved on this version")
        return EXIT_DONE
    engines = project.engines or ((context.db.migration_url.get_backend_name(),) if context.db else snapshots.BOTH)
    wanted = [each for each in snapshots.BOTH if each in engines or each in snapshots.kept(project)]
    written = [snapshots.write(project, each, context.progress.note) for each in wanted]
    shown = [results.near(path) for path in written if path]
    context.report("\n".join(shown) or "nothing to do: the snapshots are up to date")
    return EXIT_DONE


def follow_snapshots(context: CommandContext) -> None:
    """Update the existing snapshots after a change of revision files, and print their paths."""
    from ...branches import snapshots

    project = Project.load(context.project.ini)
    for engine in snapshots.kept(project):
        try:
            path = snapshots.write(project, engine, context.progress.note)
            lines = [results.near(path)] if path else []
        except AntarestError as error:  # The old snapshot is not loaded, and `db.check` reports it.
            lines = [f"not written for {ENGINES[engine]}, and out of date: {error.message}"]
        context.report(fields([("snapshot", line) for line in lines]))


def follow(project: Project) -> Path | None:
    """Update the diagram after a change of the models.

    Returns:
        The path of the page; None if the page is up to date, or if the package that draws the diagram is missing. In
        the second case, `db.check` on another machine reports that the page is out of date.
    """
    if not project.diagram:
        return None
    from ...branches import diagram as page

    try:
        return None if page.is_in_sync(project) else page.write(project)
    except PackageMissing:
        return None
