"""The verbs about releases: the deployed revision, and the changes of a release."""

from __future__ import annotations

from pathlib import Path

from ...errors.base import EXIT_DONE, Hint
from ...errors.facts.configuration import UsageError
from ...errors.settings.whole_file import write_whole
from ...errors.text import count, position
from ...project import rollback_script
from ...project.project import Project
from ..boundary import CommandContext


def deployed(context: CommandContext, *, ref: str) -> int:
    """Record the revision that production runs. This revision becomes the target of rollback.sh."""
    from ...branches.deployed import record

    revision, origin = record(context.project, ref)
    context.say(("deployed", f"{revision} ({origin})" if origin else revision))
    _write_rollback_script(context)
    return EXIT_DONE


def deployed_clear(context: CommandContext) -> int:
    """Record that nothing is in production. Now rollback.sh goes back from the head to the revision before the head."""
    from ...branches.deployed import clear

    clear(context.project)
    context.say(("deployed", "nothing"))
    _write_rollback_script(context)
    return EXIT_DONE


def sql(context: CommandContext, *, from_ref: str, to_ref: str, output: str | None = None) -> int:
    """Write upgrade.sql and rollback.sql for PostgreSQL, and prove on a scratch server that they are correct."""
    from ...release import prove_sql, revision_range, write_sql

    folder = Path(output or ".")
    if not folder.is_dir():
        raise _no_place("--output must be a folder that exists", output)
    between = revision_range(context.project, from_ref, to_ref)
    scripts = write_sql(context.project, between)
    context.progress.show("proving the scripts on a scratch server")
    server = prove_sql(context.project, between, scripts)
    context.progress.stop()
    for name, statements in scripts.items():
        write_whole(folder / name, "".join(statements).encode())
        context.say((name, str(folder / name)))
    context.say(
        ("span", f"{between.start} -> {between.end} ({count(len(between.revisions), 'revision')})"),
        ("proved", f"both give the schema of the revisions, on {server}"),
    )
    return EXIT_DONE


def release_notes(context: CommandContext, *, from_ref: str, to_ref: str, output: str | None = None) -> int:
    """Write, as Markdown, the changes, rollback losses and measured impact of each revision between two refs."""
    from ...release import revision_range
    from ...release.notes import write_notes

    if output and (Path(output).is_dir() or not Path(output).parent.is_dir()):
        raise _no_place("--output must be a file in a folder that exists", output)
    text = write_notes(context.project, revision_range(context.project, from_ref, to_ref), context.progress)
    context.progress.stop()
    if output:
        write_whole(Path(output), text.encode())
        context.say(("release notes", output))
    else:
        context.print(text.rstrip())
    return EXIT_DONE


def print_rollback_sql(context: CommandContext, steps: int, to: str | None, head: str | None) -> int:
    """Print the SQL of a rollback.

    Args:
        context: the context of the command.
        steps: the number of revisions to go back.
        to: the revision at which the rollback ends; None to use `steps`.
        head: the head in `rollback.sh`, at which the rollback starts; None to start at the database's current revision.
    """
    from ...release.sql_scripts import downgrade_sql

    project = context.project
    current = (head,) if head else context.workflow.current()
    project.refuse_unknown(current, "" if head else context.workflow.database)
    target = project.history.rollback_target(current, steps=steps, to=project.resolve(to) if to else None)
    if len(current) > 1:
        raise UsageError(
            f"--sql begins at one revision, and the database is at {position(current)}",
            Hint("Join the heads", "inv db.merge"),
        )
    context.print("".join(downgrade_sql(project, position(current), target)).rstrip())
    return EXIT_DONE


def _write_rollback_script(context: CommandContext) -> None:
    project = Project.load(context.project.ini)  # Loaded again: its deployed revision has changed.
    if project.rollback_script and rollback_script.sync(project):
        target, head = rollback_script.target(project.history, project.deployed)
        context.say(("rollback", f"{project.rollback_script}: from {head} to {target}"))


def _no_place(message: str, path: str | None) -> UsageError:
    return UsageError(f"{message}, not {path!r}", Hint("Leave it out, or name another one"))
