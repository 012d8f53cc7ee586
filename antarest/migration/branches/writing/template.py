"""The template for new revisions, `script.py.mako`, which a project may change."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from alembic.script import base, revision
from alembic.util import CommandError

from ...errors.base import Hint
from ...errors.facts.project import InvalidProject
from ...errors.text import described
from ...project.project import Project

_NAME = "script.py.mako"
_SAID = ("Template rendering failed", "Could not determine revision id")  # by Alembic


def require_template(project: Project) -> None:
    """Refuse a project without the template for new revisions.

    Raises:
        InvalidProject: there is no `script.py.mako`.
    """
    if project.scripts and not (project.scripts / _NAME).is_file():
        hint = Hint("Make an example of a project elsewhere, and copy its script.py.mako", "alembic init example")
        raise InvalidProject(project.ini, f"there is no {_NAME} in {project.scripts}", hint)


@contextmanager
def naming_template(project: Project, folder: Path) -> Iterator[None]:
    """If the template or a setting prevents Alembic from writing a revision, name this cause in the error.

    Args:
        project: the project of the template.
        folder: the folder of the new file.

    Raises:
        InvalidProject: the template or a setting is wrong. For example, a setting names a time zone or a hook that does
            not exist.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Revision .* referenced from")  # The error says the same.
            warnings.filterwarnings("ignore", "autogenerate skipping")  # `db.revision` lists the index "by hand".
            yield
    except Exception as error:
        if not _is_of_template(error, folder):
            if isinstance(error, CommandError) or _is_of_setting(error):
                again = Hint("Fix this setting, then write it again", 'inv db.revision --message="..."')
                reason = f"Alembic cannot write the revision: {described(error)}"
                raise InvalidProject(project.ini, reason, again) from error
            raise
        hint = Hint("Compare it with that of a new project", "alembic init example")
        reason = f"it writes no file that is a revision: {described(error)}"
        raise InvalidProject((project.scripts or project.root) / _NAME, reason, hint) from error


def _is_of_template(error: Exception, folder: Path) -> bool:
    if isinstance(error, CommandError):
        return str(error).startswith(_SAID)
    if isinstance(error, SyntaxError):
        return Path(error.filename or "").parent in (folder, Path())
    # Alembic has not found the predecessor in its map of the revisions, for example a predecessor 'None' in quotes.
    in_map = isinstance(error, KeyError) and extract_tb(error.__traceback__)[-1].filename == revision.__file__
    return in_map or type(error).__module__ == "mako.exceptions"


def _is_of_setting(error: Exception) -> bool:
    """Return whether the program of a hook cannot be started, or a setting such as `file_template` is wrong."""
    last = extract_tb(error.__traceback__)[-1].filename
    is_value = isinstance(error, (KeyError, TypeError, ValueError)) and last == base.__file__
    return is_value or (isinstance(error, OSError) and last == subprocess.__file__)
