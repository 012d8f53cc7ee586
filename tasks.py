"""The commands of the database, for Invoke: `inv --list`. What they do is in `antarest.migration`."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task, task

from antarest.migration.commands import cli
from antarest.migration.errors.settings import bootstrap

_NAMESPACE = "db"
if code := bootstrap.refuse_system():
    sys.exit(code)
atexit.register(bootstrap.finish, 0)


def _run(verb: str, **options: Any) -> None:
    """Run a verb, and leave with its exit code.

    Invoke takes `--config` and `--debug` for itself when they stand before the task, and `-f` and `-d` anywhere, and
    says nothing: refuse those.
    """
    if code := cli.refuse_misplaced(sys.argv[1:], f"inv {_NAMESPACE}.{verb}") or cli.run(verb, **options):
        sys.exit(code)


def _command(verb: str) -> Callable[[Callable[..., None]], Task[Any]]:
    """Make an Invoke task with the words for its flags, under the name of the verb."""
    flags = (*cli.VERBS[verb].words, *cli.VERBS[verb].flags, "config", "debug")
    words = {flag: cli.VERBS[verb].words_for(flag) for flag in flags if cli.FLAGS[flag] != cli.HIDDEN}
    decorate: Callable[[Callable[..., None]], Task[Any]] = task(name=verb, help=words, auto_shortflags=False)
    return decorate


@_command("upgrade")
def upgrade(
    _: Context,
    to: str | None = None,
    dry_run: bool = False,
    backup: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Upgrade the database to head, or to a revision."""
    flags = {"dry_run": dry_run, "backup": backup, "lock_timeout": lock_timeout}
    _run("upgrade", to=to, **flags, config=config, debug=debug)


@_command("rollback")
def rollback(
    _: Context,
    steps: str | None = None,
    to: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    sql: bool = False,
    backup: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Roll the database back: one revision, several, or to a revision; with a plan first."""
    flags = {"dry_run": dry_run, "yes": yes, "allow_data_loss": allow_data_loss, "sql": sql}
    _run("rollback", steps=steps, to=to, **flags, backup=backup, lock_timeout=lock_timeout, config=config, debug=debug)


@_command("sync")
def sync(
    _: Context,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    allow_changed: bool = False,
    backup: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Make the database match this checkout: undo what it does not have, then apply what is pending."""
    flags = {"dry_run": dry_run, "yes": yes, "allow_data_loss": allow_data_loss, "allow_changed": allow_changed}
    _run("sync", **flags, backup=backup, lock_timeout=lock_timeout, config=config, debug=debug)


@_command("switch")
def switch(
    _: Context,
    branch: str,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    allow_changed: bool = False,
    backup: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Switch to a branch and take the database along: both, or neither."""
    flags = {"dry_run": dry_run, "yes": yes, "allow_data_loss": allow_data_loss, "allow_changed": allow_changed}
    _run("switch", branch=branch, **flags, backup=backup, lock_timeout=lock_timeout, config=config, debug=debug)


@_command("reset")
def reset(
    _: Context,
    yes: bool = False,
    allow_data_loss: bool = False,
    allow_production: bool = False,
    backup: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Drop the objects of the history and migrate to head again (development)."""
    flags = {"yes": yes, "allow_data_loss": allow_data_loss, "allow_production": allow_production, "backup": backup}
    _run("reset", **flags, lock_timeout=lock_timeout, config=config, debug=debug)


@_command("backup")
def backup(_: Context, config: str | None = None, debug: bool = False) -> None:
    """Back the database up, and verify the backup."""
    _run("backup", config=config, debug=debug)


@_command("backups")
def backups(_: Context, json: bool = False, config: str | None = None, debug: bool = False) -> None:
    """List the backups of the database, newest first: when, how large, which revision, how many rows."""
    _run("backups", json=json, config=config, debug=debug)


@_command("restore")
def restore(
    _: Context,
    from_: str | None = None,
    yes: bool = False,
    allow_data_loss: bool = False,
    end_sessions: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Restore a backup: show first what that would lose, and keep what it replaces."""
    flags = {"yes": yes, "allow_data_loss": allow_data_loss, "end_sessions": end_sessions}
    _run("restore", from_=from_, **flags, lock_timeout=lock_timeout, config=config, debug=debug)


@_command("status")
def status(_: Context, json: bool = False, config: str | None = None, debug: bool = False) -> None:
    """Say where the database is: exit code 0 at head, 1 otherwise, 3 unreachable."""
    _run("status", json=json, config=config, debug=debug)


@_command("history")
def history(_: Context, to: str | None = None, config: str | None = None, debug: bool = False) -> None:
    """List the revisions, newest first, with a mark at what is applied, current and head."""
    _run("history", to=to, config=config, debug=debug)


@_command("revision")
def revision(
    _: Context,
    message: str | None = None,
    empty: bool = False,
    amend: bool = False,
    discard_edits: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    backup: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Write a revision from the difference between the models and the migrations."""
    flags = {"empty": empty, "amend": amend, "discard_edits": discard_edits, "dry_run": dry_run, "yes": yes}
    flags |= {"allow_data_loss": allow_data_loss, "backup": backup}
    _run("revision", message=message, **flags, lock_timeout=lock_timeout, config=config, debug=debug)


@_command("redo")
def redo(
    _: Context,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    backup: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Undo the newest revision and apply it again, as its file is now."""
    flags = {"dry_run": dry_run, "yes": yes, "allow_data_loss": allow_data_loss, "backup": backup}
    _run("redo", **flags, lock_timeout=lock_timeout, config=config, debug=debug)


@_command("rebase")
def rebase(
    _: Context,
    onto: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    allow_data_loss: bool = False,
    backup: bool = False,
    lock_timeout: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Put the revisions of this branch on top of another head, and take the database along."""
    flags = {"dry_run": dry_run, "yes": yes, "allow_data_loss": allow_data_loss, "backup": backup}
    _run("rebase", onto=onto, **flags, lock_timeout=lock_timeout, config=config, debug=debug)


@_command("merge")
def merge(_: Context, message: str | None = None, config: str | None = None, debug: bool = False) -> None:
    """Write a revision that joins all heads, where those of this branch cannot be put on top."""
    _run("merge", message=message, config=config, debug=debug)


@_command("check")
def check(_: Context, config: str | None = None, debug: bool = False) -> None:
    """Check the project, for CI and hooks: one head, rollback.sh, the diagram, models equal to the migrations."""
    _run("check", config=config, debug=debug)


@_command("verify")
def verify(
    _: Context,
    engine: str | None = None,
    revisions: str | None = None,
    new: bool = False,
    rows: str | None = None,
    json: str | None = None,
    markdown: str | None = None,
    versions: str | None = None,
    metadata: str | None = None,
    rows_from: str | None = None,
    since: str | None = None,
    keep: bool = False,
    project: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Prove every revision on both engines, up and down, with rows in the tables; on any Alembic project."""
    which = {"engine": engine, "revisions": revisions, "new": new, "rows": rows, "json": json, "markdown": markdown}
    where = {"versions": versions, "metadata": metadata, "rows_from": rows_from, "since": since, "project": project}
    _run("verify", **which, **where, keep=keep, config=config, debug=debug)


@_command("deployed")
def deployed(_: Context, ref: str, config: str | None = None, debug: bool = False) -> None:
    """Record what production runs: from then on rollback.sh goes there."""
    _run("deployed", ref=ref, config=config, debug=debug)


@_command("deployed-clear")
def deployed_clear(_: Context, config: str | None = None, debug: bool = False) -> None:
    """Record that production runs nothing: rollback.sh goes to the revision before the head again."""
    _run("deployed-clear", config=config, debug=debug)


@_command("sql")
def sql(
    _: Context,
    from_ref: str,
    to_ref: str,
    output: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Write upgrade.sql and rollback.sql for PostgreSQL, and prove on a scratch server that they do the same."""
    _run("sql", from_ref=from_ref, to_ref=to_ref, output=output, config=config, debug=debug)


@_command("release-notes")
def release_notes(
    _: Context,
    from_ref: str,
    to_ref: str,
    output: str | None = None,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Say in Markdown what each revision between two refs changes, what its rollback loses, and its measured impact."""
    _run("release-notes", from_ref=from_ref, to_ref=to_ref, output=output, config=config, debug=debug)


@_command("grant")
def grant(_: Context, config: str | None = None, debug: bool = False) -> None:
    """Give the application's role the rights that it lacks (PostgreSQL)."""
    _run("grant", config=config, debug=debug)


@_command("rollback-script")
def rollback_script(_: Context, config: str | None = None, debug: bool = False) -> None:
    """Write rollback.sh anew, after revision files were renamed, deleted or edited; installed, say where it is."""
    _run("rollback-script", config=config, debug=debug)


@_command("install-hooks")
def install_hooks(_: Context, config: str | None = None, debug: bool = False) -> None:
    """Write git hooks that say in one line when the database and the checkout differ."""
    _run("install-hooks", config=config, debug=debug)


@_command("diagram")
def diagram(_: Context, config: str | None = None, debug: bool = False) -> None:
    """Write the schema of the models as a page with a Mermaid diagram."""
    _run("diagram", config=config, debug=debug)


@_command("seed")
def seed(
    _: Context,
    studies: str | None = None,
    allow_production: bool = False,
    config: str | None = None,
    debug: bool = False,
) -> None:
    """Fill an empty development database with believable data."""
    _run("seed", studies=studies, allow_production=allow_production, config=config, debug=debug)


namespace = Collection()
namespace.add_collection(Collection(_NAMESPACE, *(each for each in [*globals().values()] if isinstance(each, Task))))
