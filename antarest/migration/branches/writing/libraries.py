"""The operations that libraries of `env.py`, such as alembic_utils, add to Alembic's autogenerate.

Such a library registers a comparison of its own with Alembic, for example of views and functions that the code of the
project defines. `db.check` and `db.revision` ask these libraries, because our comparison does not see these objects.
"""

from __future__ import annotations

import sys

from alembic.autogenerate import comparators, produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL

from ...database.connection import moving
from ...errors.base import AntarestError, Hint
from ...errors.facts.project import InvalidProject
from ...errors.text import described
from ...project.env_options import ALEMBIC, undisturbed
from ...project.project import Project
from ...schema.postgresql import without_warnings
from .autogenerate import Writing, comparison_options
from .enums import is_of_library


def operations_of_libraries(project: Project, at_head: URL) -> list[str]:
    """Return the operations that libraries of `env.py` would write into a revision now, each as a text.

    Args:
        project: the Alembic project. Its `env.py` has been run.
        at_head: a scratch database at head.

    Raises:
        InvalidProject: a library cannot compare its objects.
    """
    if not _is_any_there():
        return []  # The comparison would take a fifth of the time of `db.revision`.
    no_tables = Writing(project, only_changes=True, tables=frozenset(), columns=frozenset())
    with ALEMBIC, undisturbed(), without_warnings(), moving(at_head) as connection:
        context = MigrationContext.configure(connection, opts=comparison_options(no_tables, connection))
        try:
            upgrade = produce_migrations(context, project.metadata()).upgrade_ops
        except AntarestError:
            raise
        except Exception as error:
            reason = f"a library of {project.env.name} cannot compare its objects: {described(error)}"
            fix = "If it needs a table that is new, write the table first, without the library"
            raise InvalidProject(project.ini, reason, Hint(fix, 'inv db.revision --message="..."')) from error
    return [_described(each) for each in upgrade.ops if is_of_library(each)] if upgrade else []


def _is_any_there() -> bool:
    """Return whether a library has registered a comparison, or a plugin (since Alembic 1.18), with Alembic."""
    registered = [each for found in comparators._registry.values() for each in found]  # noqa: SLF001 - no public way
    functions = [each[0] if isinstance(each, tuple) else each for each in registered]
    plugins = getattr(sys.modules.get("alembic.runtime.plugins"), "_all_plugins", {})
    return not all(name.startswith("alembic.") for name in (*(each.__module__ for each in functions), *plugins))


def _described(operation: ops.MigrateOperation) -> str:
    """Return a text with the kind of an operation, such as `add table`, and the object that the operation changes."""
    kind, *others = operation.to_diff_tuple() if hasattr(operation, "to_diff_tuple") else (type(operation).__name__,)
    return " ".join([str(kind).replace("_", " "), *map(str, others[:1])])
