"""Writes revisions: autogenerates them, declares the losses of the downgrade, and names the changes that are left."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import Index
from sqlalchemy.exc import SQLAlchemyError

from ..database.connection import moving
from ..errors.base import Hint
from ..errors.facts.configuration import UsageError
from ..errors.facts.project import InvalidProject
from ..errors.facts.run import ModelsNotMade, RevisionUnfinished, ScratchRunFailed
from ..errors.revision import Revision
from ..errors.settings.urls import ENGINES
from ..errors.text import reason
from ..losses.tracking.conversions import can_convert
from ..project.env_options import undisturbed
from ..project.project import Project
from ..project.staging import Staging, staging
from ..schema.compare import Difference, differences
from ..schema.inventory import Inventory
from ..schema.reflection import reflect
from ..scratch.databases import EngineName, PostgresServer, scratch_database
from ..scratch.migrated import scratch_at
from ..scratch.runner import ScratchRunner

_REASON = "the downgrade drops it"


@dataclass(frozen=True)
class Writing:
    """The request to `env.py` to write a revision. No database is migrated.

    Attributes:
        project: the project that gets the revision.
        only_changes: write the detected changes, or no file if there are none. Otherwise write an empty revision.
        tables: the tables that Alembic compares; None for all.
    """

    project: Project
    only_changes: bool = False
    tables: frozenset[str] | None = None


@dataclass(frozen=True)
class Written:
    """The result of writing a revision. The changes are the differences between the migrations and the models.

    Attributes:
        path: the new file; None if nothing was detected.
        detected: the changes that the file makes.
        drops: those of them that drop a table or a column.
        retypes: those of them that give a column another type, which can change its values.
        by_hand: the changes that have to be written by hand, because Alembic does not see them.
    """

    path: Path | None
    detected: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    retypes: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()


def write_revision(project: Project, message: str, *, empty: bool = False) -> Written:
    """Write a revision file from the difference between the models and the migrations.

    The migrations run on a scratch database; the configured one is not used. The new revision runs there too. The
    differences that are left have to be written by hand.

    Args:
        project: the project that gets the revision.
        message: its purpose. The words become the name of the file.
        empty: write an empty revision, for changes by hand, whatever the models say.

    Raises:
        InstalledCopy: the project is an installed copy.
        UsageError: the message has no letter or digit.
        MultipleHeads: the history has several heads.
        InvalidProject: the models cannot be imported.
        RevisionUnfinished: the new file does not run on a scratch database. It stays, to be fixed.
    """
    if not re.search(r"[^\W_]", message):
        hint = Hint("Name its purpose", 'inv db.revision --message="add study horizon"')
        raise UsageError("the message of a revision needs at least one letter or digit", hint)
    project.refuse_installed()
    _ = project.history.head  # This raises MultipleHeads.
    _require_template(project)
    with staging(project) as place:
        if empty:
            return _put(place, Written(_write(Writing(place.project), place, message)))
        try:
            return _put(place, _write_changes(place, message))
        except ScratchRunFailed as error:
            if made := next(place.folder.rglob("*.py"), None):
                path = place.put(made)
                raise RevisionUnfinished(error.revision, error.reason, path, error.details["scratch"]) from error
            raise


def _write_changes(place: Staging, message: str, id_: str | None = None) -> Written:
    project = place.project
    migrated = migrated_inventory(project, "sqlite")  # First, to report a broken revision file before missing models.
    models = models_inventory(project, "sqlite")
    before = differences(migrated, models)
    # Alembic compares less than we do. In a table where we find no difference, it finds none either.
    tables = frozenset(difference.table for difference in before)
    path = _write(Writing(project, only_changes=True, tables=tables), place, message, id_) if before else None
    now = replace(project)  # The history is read again.
    left = differences(migrated_inventory(now, "sqlite"), models) if path else before
    detected = [each for each in before if each not in left]
    drops = [each for each in detected if each.after is None and each.kind in ("table", "column")]
    retypes = [each for each in detected if each.aspect == "type" and _can_convert(each.before, each.after)]
    by_hand = (*_render(left), *_unseen(now))
    return Written(path, tuple(_render(detected)), tuple(_render(drops)), tuple(_render(retypes)), by_hand)


def _write(writing: Writing, place: Staging, message: str, id_: str | None = None) -> Path | None:
    config, folder = writing.project.alembic_config(antarest=writing), str(place.folder)
    with undisturbed():  # Alembic reports each write hook, even with `quiet`.
        script = command.revision(config, message, writing.only_changes, rev_id=id_, version_path=folder)
    return Path(script.path) if isinstance(script, Script) else None


def _require_template(project: Project) -> None:
    """Refuse a project without the template of its revisions.

    Raises:
        InvalidProject: there is no `script.py.mako`.
    """
    if project.scripts and not (project.scripts / "script.py.mako").is_file():
        hint = Hint("Make an example of a project elsewhere, and copy its script.py.mako", "alembic init example")
        raise InvalidProject(project.ini, f"there is no script.py.mako in {project.scripts}", hint)


def _put(place: Staging, written: Written) -> Written:
    return replace(written, path=place.put(written.path)) if written.path else written


def write_again(project: Project, revision: Revision) -> Written:
    """Write the newest revision again from the models, with its id and message.

    Args:
        project: the project of the revision.
        revision: the revision, which no other one follows.

    Returns:
        The result. If its path is None, there is nothing to change, and the file stays as it was.
    """
    project.refuse_installed()
    _require_template(project)
    with staging(project, replaced=revision) as place:
        return _put(place, _write_changes(place, revision.message, revision.id))


def merge_heads(project: Project, message: str) -> Path:
    """Write a revision that joins all heads.

    Args:
        project: the project that gets the revision.
        message: its purpose.

    Returns:
        The new file.
    """
    project.refuse_installed()
    _require_template(project)
    with staging(project, alone=True) as place:
        config = place.project.alembic_config(antarest=Writing(place.project))
        with undisturbed():  # as above
            script = command.merge(config, list(project.history.heads), message)
        assert isinstance(script, Script)  # noqa: S101 - Alembic writes one, or raises
        return place.put(Path(script.path))


def migrated_inventory(project: Project, engine: EngineName, server: PostgresServer | None = None) -> Inventory:
    """Reflect the schema that the migrations make on a scratch database of an engine."""
    heads, exclude = project.history.heads, project.workflow_tables
    if engine == "sqlite":
        with scratch_at(project, heads) as connection:
            return reflect(connection, exclude=exclude)
    with scratch_database(engine, server) as url, moving(url) as connection:
        ScratchRunner.of(project).upgrade(connection, heads)
        return reflect(connection, exclude=exclude)


def models_inventory(project: Project, engine: EngineName, server: PostgresServer | None = None) -> Inventory:
    """Reflect the schema that the models make on an empty scratch database of an engine."""
    with scratch_database(engine, server) as url, moving(url) as connection:
        metadata = project.metadata()
        try:
            with connection.begin():
                metadata.create_all(connection, checkfirst=engine != "sqlite")  # The database is empty.
        except SQLAlchemyError as error:
            raise ModelsNotMade(ENGINES[engine], reason(error), project.metadata_name) from error
        return reflect(connection, exclude=project.workflow_tables)


def autogenerate_options(writing: Writing) -> dict[str, Any]:
    """Make the options with which Alembic compares the models with a scratch database: those of `env.py`, and ours."""
    given, ours = writing.project.options, _Rules(writing)
    return {
        "compare_type": given.get("compare_type", True),
        "compare_server_default": given.get("compare_server_default", True),
        "process_revision_directives": ours.complete,
        # `include_object` alone is enough, but then Alembic first reads all tables.
        "include_name": ours.include_name,
        "include_object": ours.include_object,
        "render_item": ours.render_item,
    }


class _Rules:
    """What Alembic compares and writes, where both `env.py` and the workflow have a say."""

    def __init__(self, writing: Writing) -> None:
        self._given = writing.project.options
        self._own, self._tables = writing.project.workflow_tables, writing.tables
        self._only_changes = writing.only_changes

    def complete(self, context: MigrationContext, revision: object, directives: list[ops.MigrationScript]) -> None:
        """Order the operations, let `env.py` change them, and declare the losses of those that are left."""
        for script in directives:
            for upgrade, way_back in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
                _drop_in_order(upgrade)
                upgrade.reverse_into(way_back)
        if change := self._given.get("process_revision_directives"):
            change(context, revision, directives)
        if self._only_changes and all(ops_.is_empty() for script in directives for ops_ in script.upgrade_ops_list):
            directives.clear()
        for script in directives:
            downgrade = {item: _REASON for ops_ in script.downgrade_ops_list for item in _dropped(ops_)}
            context.opts["template_args"]["lossy"] = {"downgrade": downgrade} if downgrade else {}
            context.opts["template_args"]["drops"] = [i for ops_ in script.upgrade_ops_list for i in _dropped(ops_)]
            context.opts["template_args"]["retypes"] = [i for ops_ in script.upgrade_ops_list for i in _retyped(ops_)]

    def include_name(self, name: str | None, kind: str, parents: Any) -> bool:
        """Whether an object of the database is compared."""
        theirs = self._given.get("include_name")
        return self._is_compared(name, kind) and (theirs is None or theirs(name, kind, parents))

    def include_object(self, found: Any, name: str | None, kind: str, *others: Any) -> bool:
        """Whether an object of the database or of the models is compared."""
        theirs = self._given.get("include_object")
        return self._is_compared(name, kind) and (theirs is None or theirs(found, name, kind, *others))

    def _is_compared(self, name: str | None, kind: str) -> bool:
        return kind != "table" or (name not in self._own and (self._tables is None or name in self._tables))

    def render_item(self, kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
        """Render as `env.py` says. Else Alembic writes `module.Type()` for a type, and this adds the import."""
        theirs = self._given.get("render_item")
        rendered: str | Literal[False] = theirs(kind, item, context) if theirs else False
        module = type(item).__module__
        if rendered is False and kind == "type" and not self._given.get("user_module_prefix") and not _is_known(module):
            context.imports.add(f"import {module}")
        return rendered


def _is_known(module: str) -> bool:
    """Whether the template of a revision imports what its types need."""
    return module.partition(".")[0] in ("sqlalchemy", "alembic")


def format_file(path: str) -> None:
    """Format a new revision file and sort its imports, if ruff is installed. It is a development tool."""
    try:
        from ruff import find_ruff_bin
    except ImportError:
        return
    for arguments in (["check", "--fix-only"], ["format"]):
        subprocess.run([find_ruff_bin(), *arguments, "--quiet", path], check=False)


def _drop_in_order(operations: ops.UpgradeOps) -> None:
    """Drop tables last, and each after those that refer to it. Alembic drops them in the random order of a set."""
    drops = {each.table_name: each for each in operations.ops if isinstance(each, ops.DropTableOp)}
    graph = {name: _referred_to(drops[name]) & drops.keys() - {name} for name in sorted(drops)}
    try:
        order = [*TopologicalSorter(graph).static_order()][::-1]
    except CycleError:  # On PostgreSQL, somebody has to write a statement to drop these.
        order = sorted(drops)
    own = [each for each in operations.ops if getattr(each, "table_name", None) in drops]
    others = [each for each in operations.ops if each not in own]
    operations.ops[:] = [*others, *sorted(own, key=lambda each: order.index(getattr(each, "table_name", "")))]


def _referred_to(drop: ops.DropTableOp) -> set[str]:
    return {key.target_fullname.rpartition(".")[0] for key in drop.to_table().foreign_keys}


def _dropped(operations: ops.OpContainer) -> Iterator[str]:
    for operation in operations.ops:
        if isinstance(operation, ops.DropTableOp):
            yield operation.table_name
        elif isinstance(operation, ops.DropColumnOp):
            yield f"{operation.table_name}.{operation.column_name}"
        elif isinstance(operation, ops.OpContainer):
            yield from _dropped(operation)


def _retyped(operations: ops.OpContainer) -> Iterator[str]:
    for operation in operations.ops:
        if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
            if _can_convert(operation.existing_type, operation.modify_type):
                yield f"{operation.table_name}.{operation.column_name}"
        elif isinstance(operation, ops.OpContainer):
            yield from _retyped(operation)


def _can_convert(old: object, new: object) -> bool:
    return can_convert("postgresql", str(old).lower(), str(new).lower())  # SQLite only ignores what is shorter.


def _render(differences: Iterable[Difference]) -> Iterator[str]:
    for difference in differences:
        if difference.aspect:
            yield difference.render("the migrations", "the models")
        else:
            yield f"{'drops' if difference.after is None else 'adds'} {difference.kind} {difference.path}"


def _unseen(project: Project) -> Iterator[str]:
    """Find objects of other engines than SQLite, such as sequences, that no revision file names."""
    metadata = project.metadata()
    sequences: Iterable[Any] = metadata._sequences.values()  # noqa: SLF001 - SQLAlchemy has no public list of them
    wanted = [("sequence", str(each.name)) for each in sequences]
    for table in metadata.tables.values():
        parts: Iterable[Any] = (*table.indexes, *table.constraints)
        conditional = [each for each in parts if getattr(each, "_ddl_if", None) and each.name]
        wanted += [("index" if isinstance(each, Index) else "constraint", str(each.name)) for each in conditional]
    texts = [project.history[revision].path.read_text(encoding="utf-8") for revision in project.history.order]
    for kind, name in wanted:
        if not any(name in text for text in texts):
            yield f"adds {kind} {name}"
