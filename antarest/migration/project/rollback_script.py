"""Renders `scripts/rollback.sh` from the revision graph, compares the text with the file, and writes the file.

The script names its target (`REVISION=`) and, on the next line, the head for which it was made (`HEAD=`). If two
branches each add a revision, git reports a conflict in these lines. A script that was made for an older head refuses to
run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors.facts.branches import DeployedUnknown
from ..errors.facts.project import MultipleHeads
from ..errors.facts.refusal import RollbackScriptStale
from ..errors.revision import BASE
from ..errors.settings.location import ABOVE, PACKAGE
from ..errors.settings.whole_file import write_whole
from .history import History
from .project import Project

_TEMPLATE = """\
#!/usr/bin/env bash
# {purpose}
#
# usage: {script} [--dry-run] [--yes] [--allow-data-loss] [--config=PATH] [--sql]
#
#   --dry-run          show the plan (revisions, what is dropped, how many rows that loses) and change nothing
#   --yes              answer questions with yes; this never permits a loss of data
#   --allow-data-loss  agree to the losses that the plan names
#   --config=PATH      the configuration that names the database (else $ANTAREST_CONF, else application.yaml)
#   --sql              print the SQL from HEAD to REVISION instead, for a DBA, and change nothing (PostgreSQL)
#
# Exit codes: 0 done or nothing to do, 1 refused or failed (the message says what state the database is in),
# 2 usage or configuration, 3 database unreachable (retry), 4 database locked (retry), 5 done, but it could not be
# reported, 130 interrupted, 143 terminated.
#
# Generated from the revision files; do not edit. Write it again with: inv db.rollback-script
set -euo pipefail

REVISION={revision}
HEAD={head}

self=$(readlink -f -- "${{BASH_SOURCE[0]}}")
root=$(CDPATH='' cd -- "$(dirname -- "$self")/{root}" && pwd -P)
python=$root/.venv/bin/python3 packages=$root
case $root in
    */{above}_alembic)  # installed from a wheel, in <environment>/lib/python3.x/site-packages
        packages=${{root%/{above}_alembic}}
        python=${{packages%/lib*/python*}}/bin/python3
        ;;
esac
[ -x "$python" ] || python=python3
# The packages of this Python come before those of PYTHONPATH, and -P leaves out the working directory.
export MORE="${{PYTHONPATH:-}}" PYTHONPATH=$packages
exec "$python" -P -c 'import os, runpy, sys
sys.path += filter(None, os.environ.pop("MORE").split(":"))
runpy.run_module("{package}", run_name="__main__", alter_sys=True)' \\
    rollback "$@" --project="$root/{ini}" --to="$REVISION" --head="$HEAD"
"""


_ONE_STEP = "Roll the database back by one revision: from the head of this checkout to the revision before it."
_SEVERAL = """\
Roll the database back from the head of this checkout to the nearest state below it, which undoes {number} revisions."""
_RELEASE = """\
Roll the database back from the head of this checkout to the deployed revision{tag}.
#
# It is for releases. While you write a revision, use: inv db.rollback, inv db.redo, inv db.revision --amend"""


def target(history: History, deployed: str = "") -> tuple[str, str]:
    """Return the target of the script, and the head for which the script is made.

    Args:
        history: the revisions.
        deployed: the deployed revision; empty if none is recorded.

    Returns:
        The target and the head. The target is the deployed revision. If none is recorded, it is the state before the
        head.

    Raises:
        MultipleHeads: the history has several heads.
        DeployedUnknown: the deployed revision is not below the head.
    """
    head = history.head
    if deployed:
        if deployed not in (head, *history.states_below([head])):
            raise DeployedUnknown(deployed, head)
        return deployed, head
    return (BASE, BASE) if head == BASE else (history.states_below([head])[0], head)


def render(project: Project) -> str:
    """Return the text of the script for the project and its present files.

    Raises:
        MultipleHeads: the history has several heads.
        DeployedUnknown: the deployed revision is not below the head.
    """
    revision, head = target(project.history, project.deployed)
    path = _path(project)
    tag = f" ({project.deployed_from})" if project.deployed_from else ""
    return _TEMPLATE.format(
        package=PACKAGE,
        above=ABOVE and f"{ABOVE}/",
        purpose=_RELEASE.format(tag=tag) if project.deployed else _purpose(project.history, revision, head),
        script=os.path.relpath(path, project.root),
        revision=revision,
        head=head,
        root=os.path.relpath(project.root, path.parent),
        ini=project.ini.name,
    )


def _purpose(history: History, revision: str, head: str) -> str:
    undone = history.applied([head]) - history.applied([revision])
    return _ONE_STEP if len(undone) <= 1 else _SEVERAL.format(number=len(undone))


def parse(path: Path) -> tuple[str, str]:
    """Return the values of `REVISION` and `HEAD` in a script. A value that the script lacks is empty."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = dict(re.findall(r"^(REVISION|HEAD)=(\S*)$", text, re.MULTILINE))
    return found.get("REVISION", ""), found.get("HEAD", "")


def has_target(project: Project) -> bool:
    """Return whether the project has a script, and a revision to which a script can go back.

    A history with several heads that are meant to stay has no single state below its heads.
    """
    return project.rollback_script is not None and not project.history.stays_apart


def is_in_sync(project: Project) -> bool:
    """Return whether the script is up to date and executable. Return True if the project has no script to keep."""
    path = project.rollback_script
    if path is None or not has_target(project):
        return True
    try:
        expected = render(project)
    except (MultipleHeads, DeployedUnknown):
        return False
    return (
        path.is_file() and path.read_text(encoding="utf-8", errors="replace") == expected and os.access(path, os.X_OK)
    )


def sync(project: Project) -> bool:
    """Write the script if it is not up to date.

    Returns:
        Whether the script was written. If there are several heads, or if the deployed revision is not below the head,
        no script can be written. In this case the old script stays, and refuses to run.
    """
    if project.rollback_script is None or is_in_sync(project):
        return False
    try:
        write(project)
    except (MultipleHeads, DeployedUnknown):
        return False
    return True


def write(project: Project) -> Path:
    """Write the script, completely or not at all.

    Raises:
        InstalledCopy: the project is installed, and not a checkout.
        MultipleHeads: the history has several heads.
    """
    project.refuse_installed()
    path, text = _path(project), render(project)
    write_whole(path, text.encode(), mode=0o755)
    return path


def require_head(project: Project, written_for: str) -> None:
    """Refuse a script that was made for another head.

    Raises:
        RollbackScriptStale: the head of the revision files is not the head that the script names.
        MultipleHeads: the history has several heads.
    """
    head = project.history.head
    if head != written_for:
        raise RollbackScriptStale(_path(project), written_for, head)


def _path(project: Project) -> Path:
    return project.rollback_script or project.root / "scripts" / "rollback.sh"
