"""Imports the objects of the application that the settings of a project name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from typing import Any

from ..errors.base import Hint
from ..errors.facts.project import InvalidProject
from ..errors.facts.refusal import PackageMissing
from ..errors.text import described
from .settings import SECTION


def import_named(path: Path, key: str, name: str, search: Iterable[Path]) -> Any:
    """Import an object that the section `[antarest]` names.

    Args:
        path: the settings file of the project.
        key: the key in the section.
        name: its value, as `package.module:attribute`; the attribute may have dots.
        search: the folders to put at the beginning of `sys.path`.

    Raises:
        InvalidProject: nothing is named, or it cannot be imported.
        PackageMissing: it needs a package that is not installed.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise InvalidProject(
            path,
            f"[{SECTION}] {key} is not named",
            Hint("Name it in the file", f"[{SECTION}] {key} = package.module:attribute"),
        )
    prepend(search)
    try:
        return attrgetter(attribute)(importlib.import_module(module))
    except Exception as error:  # Whatever a module of the application raises.
        missing = (getattr(error, "name", "") or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and missing != module.partition(".")[0]:
            raise PackageMissing(missing, f"[{SECTION}] {key} = {name}") from error
        why = str(error) if isinstance(error, (ImportError, AttributeError)) else described(error)
        reason = f"[{SECTION}] {key} = {name}: {why}"
        raise InvalidProject(path, reason, Hint("Fix it, then look again", "inv db.check")) from error


def prepend(folders: Iterable[Path]) -> None:
    """Put folders at the beginning of `sys.path`, as Alembic does; those that are there stay where they are."""
    known = {Path(each).resolve() for each in sys.path}
    sys.path[:0] = [str(each.resolve()) for each in folders if each.resolve() not in known]
