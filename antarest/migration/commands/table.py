"""The table of verbs with their functions, flags and arguments, and `run`, which calls a verb by its name.

Both `tasks.py` and `python -m antarest.migration` are made from this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors.settings.commands import repeating
from .boundary import CommandContext, guard
from .flags import FLAGS, Flag, refuse_empty
from .verbs import backups, branches, database, development, releases, revisions

EVERYWHERE = ("config", "project", "x", "debug")
"""The flags of every verb."""

_RUN = ("backup", "lock_timeout")
_ASKED = ("dry_run", "yes", "allow_data_loss", *_RUN)
# These flags select what is proved, on which engine, and how.
_REPEATED = ("engine", "versions", "metadata", "rows_from", "revisions", "new", "rows", "start", "since", "run_env")
_FOREIGN = ("project", "versions", "metadata", "rows_from")


@dataclass(frozen=True)
class Verb:
    """A command of the command line. Each verb has its own flags, and the flags in `EVERYWHERE`.

    Attributes:
        call: the function that runs the command. The docstring of this function is the help text.
        flags: the names of the flags of the verb.
        own: the flags that have a special meaning for this verb.
        words: the arguments without a flag, in order.
        only_looks: whether the verb only prints something, and changes nothing.
    """

    call: Callable[..., int]
    flags: tuple[str, ...] = ()
    own: Mapping[str, Flag] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    only_looks: bool = False

    def flag(self, name: str) -> Flag:
        """Return the flag or argument with this name, as this verb uses it."""
        return self.own.get(name, FLAGS[name])


_REPORTS = ("notes", "json", "markdown", "comment", "sarif", "html", "github")

VERBS = {
    "upgrade": Verb(database.upgrade, ("to", "dry_run", "from_base", *_RUN)),
    "rollback": Verb(database.rollback, ("steps", "to", *_ASKED, "sql", "head")),
    "sync": Verb(branches.sync, (*_ASKED, "allow_changed")),
    "switch": Verb(branches.switch, (*_ASKED, "allow_changed"), words=("branch",)),
    "reset": Verb(database.reset, ("yes", "allow_data_loss", "allow_production", *_RUN)),
    "backup": Verb(backups.backup),
    "backups": Verb(backups.backups, ("json",), only_looks=True),
    "restore": Verb(backups.restore, ("from_", "yes", "allow_data_loss", "end_sessions", "lock_timeout")),
    "status": Verb(database.status, ("json",), only_looks=True),
    "history": Verb(
        database.history, ("to",), {"to": Flag("only the revisions that lead there", "REF")}, only_looks=True
    ),
    "revision": Verb(
        revisions.revision,
        ("message", "empty", "head", "amend", "discard_edits", *_ASKED),
        {"head": Flag("the head that it follows, if the history has several heads that stay apart", "REV")},
    ),
    "redo": Verb(branches.redo, _ASKED),
    "rebase": Verb(branches.rebase, ("onto", *_ASKED)),
    "merge": Verb(branches.merge, ("message",)),
    "check": Verb(revisions.check, only_looks=True),
    "verify": Verb(
        revisions.verify,
        ("engine", "revisions", "new", "rows", *_REPORTS, *_FOREIGN, "start", "run_env", "env", "since", "keep"),
        {"json": Flag("also write the result as JSON", "FILE")},
        only_looks=True,
    ),
    "baseline": Verb(revisions.baseline, ("engine", "rows_from")),
    "deployed": Verb(releases.deployed, words=("ref",)),
    "deployed-clear": Verb(releases.deployed_clear),
    "sql": Verb(releases.sql, ("output",), words=("from_ref", "to_ref")),
    "release-notes": Verb(releases.release_notes, ("output",), words=("from_ref", "to_ref")),
    "grant": Verb(database.grant),
    "rollback-script": Verb(revisions.write_rollback_script),
    "install-hooks": Verb(branches.install_hooks),
    "diagram": Verb(development.diagram),
    "snapshot": Verb(development.snapshot, ("prove",)),
    "seed": Verb(development.seed, ("studies", "allow_production")),
}


def run(
    verb: str,
    *,
    config: str | None = None,
    project: str | None = None,
    x: Sequence[str] | None = None,
    lock_timeout: str | None = None,
    backup: bool = False,
    debug: bool = False,
    or_own: bool = False,
    **options: Any,
) -> int:
    """Run a command, and print its result or its error.

    Args:
        verb: the name of the command in the table.
        config: the configuration file; None for the default file.
        project: the `alembic.ini` or its folder; None to search from the current folder upwards.
        x: the values of the flag `-x`, as for Alembic.
        lock_timeout: the number of seconds to wait for another run.
        backup: whether a backup is made first, also on PostgreSQL.
        debug: whether the traceback of an error is shown.
        or_own: whether the history of this package is used if no project is found.
        options: the values of the flags and arguments of this verb.

    Returns:
        The exit code.
    """
    as_json = options.get("json") is True
    looks = VERBS[verb].only_looks
    context = CommandContext(
        config, project, lock_timeout, backup=backup, or_own=or_own, x=x or (), only_looks=looks, json=as_json
    )

    def call() -> int:
        refuse_empty({"config": config, "project": project, "lock_timeout": lock_timeout, **options}, verb)
        return VERBS[verb].call(context, **options)

    with repeating(verb, x=x or (), **_repeated(options)):
        return guard(context, call, debug=debug, json=as_json)


def _repeated(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags to repeat in suggested commands. Values of `-x` are left out, because they may be passwords."""
    env = [f"{each.partition('=')[0]}=..." for each in options.get("env") or ()]
    return {**{name: options.get(name) for name in _REPEATED}, "env": env}
