"""The commands about releases: what production runs, and what a release changes. See `cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors.base import EXIT_DONE, Hint
from ...errors.facts.configuration import UsageError
from ...errors.text import count, position
from ...project import rollback_script
from ...project.project import Project

if TYPE_CHECKING:
    from ..boundary import Session


def deployed(session: Session, *, ref: str) -> int:
    """Record what production runs: from then on rollback.sh goes there."""
    from ...branches.deployed import record

    revision, origin = record(session.project, ref)
    session.say(("deployed", f"{revision} ({origin})" if origin else revision))
    _write_rollback_script(session)
    return EXIT_DONE


def deployed_clear(session: Session) -> int:
    """Record that production runs nothing: rollback.sh goes to the revision before the head again."""
    from ...branches.deployed import clear

    clear(session.project)
    session.say(("deployed", "nothing"))
    _write_rollback_script(session)
    return EXIT_DONE


def sql(session: Session, *, from_ref: str, to_ref: str, output: str | None = None) -> int:
    """Write upgrade.sql and rollback.sql for PostgreSQL, and prove on a scratch server that they do the same."""
    from ...release import prove_sql, span, write_sql

    folder = Path(output or ".")
    if not folder.is_dir():
        raise _no_place("--output must be a folder that exists", output)
    between = span(session.project, from_ref, to_ref)
    scripts = write_sql(session.project, between)
    session.progress.show("proving the scripts on a scratch server")
    server = prove_sql(session.project, between, scripts)
    session.progress.stop()
    for name, statements in scripts.items():
        (folder / name).write_text("".join(statements), encoding="utf-8")
        session.say((name, str(folder / name)))
    session.say(
        ("span", f"{between.start} -> {between.end} ({count(len(between.revisions), 'revision')})"),
        ("proved", f"both give the schema of the revisions, on {server}"),
    )
    return EXIT_DONE


def release_notes(session: Session, *, from_ref: str, to_ref: str, output: str | None = None) -> int:
    """Say in Markdown what each revision between two refs changes, what its rollback loses, and its measured impact."""
    from ...release import span
    from ...release.notes import write_notes

    if output and (Path(output).is_dir() or not Path(output).parent.is_dir()):
        raise _no_place("--output must be a file in a folder that exists", output)
    text = write_notes(session.project, span(session.project, from_ref, to_ref), session.progress)
    session.progress.stop()
    if output:
        Path(output).write_text(text, encoding="utf-8")
        session.say(("release notes", output))
    else:
        session.print(text.rstrip())
    return EXIT_DONE


def print_rollback_sql(session: Session, steps: int, to: str | None, head: str | None) -> int:
    """Print the SQL of a rollback: from the head that `rollback.sh` was made for, else from where the database is."""
    from ...release.offline import downgrade_sql

    project = session.project
    current = (head,) if head else session.workflow.current()
    project.refuse_unknown(current, "" if head else session.workflow.database)
    target = project.history.rollback_target(current, steps=steps, to=project.resolve(to) if to else None)
    if len(current) > 1:
        raise UsageError(
            f"--sql begins at one revision, and the database is at {position(current)}",
            hints=[Hint("Join the heads", "inv db.merge")],
        )
    session.print("".join(downgrade_sql(project, position(current), target)).rstrip())
    return EXIT_DONE


def _write_rollback_script(session: Session) -> None:
    project = Project.load(session.project.ini)  # Read anew: it names another revision now.
    if project.rollback_script and rollback_script.sync(project):
        target, head = rollback_script.target(project.history, project.deployed)
        session.say(("rollback", f"{project.rollback_script}: from {head} to {target}"))


def _no_place(message: str, path: str | None) -> UsageError:
    return UsageError(f"{message}, not {path!r}", hints=[Hint("Leave it out, or name another one")])
