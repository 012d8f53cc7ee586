"""Git hooks that print one line if the database and the checkout differ.

The hooks run after `git switch`, `git checkout`, `git merge` and `git pull`. A hook first asks git whether revision
files have changed, which takes milliseconds. The hook starts Python only if such a file has changed. A hook never
fails, never waits for a database lock, and never migrates a database.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors.facts.branches import HookInTheWay
from ..errors.settings.location import PACKAGE
from ..errors.settings.whole_file import write_whole
from ..errors.text import count
from ..project.git import SWITCHING, Repository

if TYPE_CHECKING:
    from ..project.project import Project
    from ..workflow.status import Status

_MARK = "# Written by inv db.install-hooks"
_CHAINED = ".chained"
_RANGES = {"post-checkout": '"$1" "$2"', "post-merge": "ORIG_HEAD HEAD"}
_PATIENCE = 1  # seconds

_TEMPLATE = """\
#!/bin/sh
{mark}: says in one line when the database and the checkout differ.
# The hook that was here before is {name}{chained}; it runs first. To remove this one, delete it and name that one back.
status=0
if [ -x "$0{chained}" ]; then "$0{chained}" "$@" || status=$?; fi
if [ -z "${switching}" ] && [ -x {python} ] && ! git diff --quiet {range} -- {folders} 2>/dev/null; then
    {python} -m {module} {ini} || true
fi
exit $status
"""


def install(project: Project, repository: Repository) -> list[Path]:
    """Write the hooks into a repository. An existing hook is renamed, and the new hook calls the renamed hook.

    Args:
        project: the project of the database.
        repository: the repository of the project.

    Returns:
        The files of the hooks.

    Raises:
        HookInTheWay: an existing hook cannot be renamed, because a file with the new name exists.
    """
    folder = repository.hooks
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, changed in _RANGES.items():
        path = folder / name
        if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
            chained = path.with_name(f"{name}{_CHAINED}")
            if chained.exists():
                raise HookInTheWay(path, chained)
            path.replace(chained)
        text = _TEMPLATE.format(
            mark=_MARK,
            name=name,
            chained=_CHAINED,
            switching=SWITCHING,
            python=shlex.quote(sys.executable),
            module=f"{PACKAGE}.branches.hooks",
            range=changed,
            folders=" ".join(shlex.quote(repository.path(versions)) for versions in project.versions),
            ini=shlex.quote(repository.path(project.ini)),
        )
        write_whole(path, text.encode(), mode=0o755)
        written.append(path)
    return written


def main(arguments: Sequence[str]) -> None:
    """Print the difference between the database and the checkout, if there is one. Errors are not printed."""
    from ..errors.settings.config import load_config
    from ..project.project import Project
    from ..workflow.workflow import MigrationWorkflow

    with suppress(Exception):
        project = Project.load(arguments[0])
        db = load_config(sections=project.settings()).db
        status = MigrationWorkflow(project, replace(db, connect_timeout=_PATIENCE, busy_timeout=0)).status()
        if line := difference(status):
            sys.stderr.write(f"{line}   inv db.sync\n")


def difference(status: Status) -> str:
    """Return the difference between the database and the checkout in one line; empty if there is none."""
    if not status.current:  # It is a new database.
        return ""
    if status.unknown:
        return f"The database is at {', '.join(status.unknown)}, which this checkout does not have:"
    if status.pending:
        return f"The database is {count(len(status.pending), 'revision')} behind this checkout:"
    if status.edited:
        return f"The database has {', '.join(status.edited[:3])} as it was before the file was changed:"
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
