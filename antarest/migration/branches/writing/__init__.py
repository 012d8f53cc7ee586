"""Writes revisions with Alembic's autogenerate, and adds the declaration of losses to their files."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from alembic import command
from alembic.script import Script

from ...database.waits import Tell, say_nothing
from ...errors.base import Hint
from ...errors.facts.configuration import UsageError
from ...errors.facts.project import InvalidProject, MultipleHeads
from ...errors.facts.run import RevisionUnfinished, ScratchRunFailed
from ...errors.revision import HEAD, Revision
from ...errors.settings.db_config import DbConfig
from ...errors.syntax import parse
from ...project.env_options import undisturbed
from ...project.history import History
from ...project.project import Project
from ...project.staging import Staging, staging
from ...schema.compare import Difference, were_not_imported
from ...schema.inventory import Column
from ...schema.postgresql import without_warnings
from ...scratch.comparison import Bench, Comparison, bench
from ...scratch.databases import EngineName
from .autogenerate import Writing, comparison_options, correct_comparison, may_convert
from .enums import how_to_rename
from .libraries import operations_of_libraries
from .template import naming_template, require_template

__all__ = [
    "Writing",
    "Written",
    "comparison_options",
    "correct_comparison",
    "format_file",
    "merge_heads",
    "write_again",
    "write_revision",
]

_REMOVED = "process_revision_directives of env.py removes a revision that has no changes"


@dataclass(frozen=True)
class Written:
    """The result of writing a revision. The changes are the differences between the migrations and the models.

    Attributes:
        path: the new file; None if no change was detected.
        detected: the changes that the file makes.
        drops: the detected changes that drop a table or a column.
        retypes: the detected changes of a column's type that can change values of the column.
        by_hand: the changes that have to be written by hand, because Alembic does not detect them.
        skipped: for each engine on which nothing was compared, the reason.
        beside: the heads of the other branches. The comparisons ran on top of these heads too.
        unmodelled: the number of tables without a model, if the models were perhaps not imported; otherwise 0.
        required: the detected changes after which an existing row needs a value in a column.
    """

    path: Path | None
    detected: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    retypes: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    skipped: Mapping[EngineName, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    unmodelled: int = 0
    required: tuple[str, ...] = ()


def write_revision(
    project: Project,
    message: str,
    *,
    empty: bool = False,
    head: str = "",
    db: DbConfig | None = None,
    note: Tell = say_nothing,
) -> Written:
    """Write a revision file from the differences between the models and the migrations.

    On each engine, one scratch database gets the schema of the models, and another one runs the migrations and the new
    revision. The differences that remain have to be written by hand.

    Args:
        project: the project that gets the revision.
        message: the purpose of the revision. The name of the file is made from its words.
        empty: whether to write an empty revision, without looking at the models.
        head: the head that the revision follows, for a history with several heads; empty for the only head.
        db: the configured database. It is only read, to create scratch databases like it.
        note: called with a message before a scratch database is created on the server of the configured database.

    Raises:
        InstalledCopy: the project is an installed copy.
        UsageError: the message has no letter or digit, or `head` is not a head.
        MultipleHeads: the history has several heads, and none is named.
        InvalidProject: the models cannot be imported.
        ScratchRunFailed, ModelsNotMade: the migrations or the models do not work. No file was written.
        RevisionUnfinished: the file was written, but the revision fails on a scratch database.
    """
    head = _checked(project, message, head)
    with staging(project) as place:
        if empty:
            return _write_empty(place, message, head)
        try:
            return _put(place, _write_changes(place, message, None, db, note, head))
        except ScratchRunFailed as error:
            if made := next(place.folder.rglob("*.py"), None):
                raise RevisionUnfinished(error, place.put(made)) from error
            raise


def _write_empty(place: Staging, message: str, head: str) -> Written:
    if path := _write(Writing(place.project), place, message, head=head):
        return _put(place, Written(path))
    raise InvalidProject(place.project.ini, _REMOVED, Hint("Let it keep a revision without changes"))


def _written(
    path: Path | None, before: Sequence[Comparison], left: Sequence[Comparison], skipped: Mapping[EngineName, str]
) -> Written:
    """Return the result of writing a revision, from the comparisons before and after the new revision has run.

    Args:
        path: the new file; None if no file was written.
        before: the comparisons of the models with the migrations without the new revision.
        left: the same comparisons with the new revision.
        skipped: for each engine on which nothing was compared, the reason.
    """
    remaining = {each for comparison in left for each in comparison.found}
    detected = [each for comparison in before for each in comparison.found if each not in remaining]
    drops = [each for each in detected if each.after is None and each.kind in ("table", "column")]
    retypes = [each for each in detected if each.aspect == "type" and may_convert(each.before, each.after)]
    required = [each for each in detected if _needs_values(each)]
    seen, gone, retyped, filled = (tuple(dict.fromkeys(_render(each))) for each in (detected, drops, retypes, required))
    unmodelled = max((were_not_imported(each.found, each.migrated) for each in before), default=0)
    return Written(path, seen, gone, retyped, tuple(_shown(left)), skipped, unmodelled=unmodelled, required=filled)


def _needs_values(difference: Difference) -> bool:
    """Return whether a change fails on a row that has no value in a column."""
    column = difference.after
    if not isinstance(column, Column):
        return difference.aspect == "nullable" and column is False
    has_values = column.default or column.computed or column.is_generated or column.autoincrement
    return not (difference.aspect or column.nullable or has_values)


def _checked(project: Project, message: str, head: str) -> str:
    """Return the head that a new revision follows. Refuse a bad message, or a project that cannot get a revision."""
    if not re.search(r"[^\W_]", message):
        hint = Hint("Name its purpose", 'inv db.revision --message="add study horizon"')
        raise UsageError("the message of a revision needs at least one letter or digit", hint)
    project.refuse_installed()
    follows = _head(project.history, head)
    require_template(project)
    return follows


def _head(history: History, named: str) -> str:
    """Return the head that a new revision follows; `base` if there are no revisions.

    Raises:
        UsageError: the named revision is not a head.
        MultipleHeads: there are several heads, and none is named.
    """
    if named:
        if (id_ := history.resolve(named)) in history.heads:
            return id_
        heads = [Hint(f"Follow {each}", f'inv db.revision --head={each} --message="..."') for each in history.heads[:2]]
        raise UsageError(f"revision {id_} is not a head, so a new revision cannot follow it", *heads)
    try:
        return history.head
    except MultipleHeads as error:
        if history.stays_apart:
            example = f'inv db.revision --head={history.heads[0]} --message="..."'
            error.hints = (Hint("Name the head that it follows", example),)
        raise


def _write_changes(
    place: Staging, message: str, id_: str | None, db: DbConfig | None, note: Tell, head: str = HEAD
) -> Written:
    with bench(place.project, db, note, only_first=True) as compared:
        before = compared.compare()
        added = operations_of_libraries(place.project, compared.at_head[before[0].engine])
        writing = _changes(compared, before[0])
        path = _write(writing, place, message, id_, head) if before[0].found or added else None
        try:
            left = compared.compare_again(replace(place.project)) if path else before  # The history is read again.
        except ScratchRunFailed as error:
            if by_hand := [each for each in before[0].found if _is_unseen(each)]:
                error.details["by hand"] = "; ".join(_render(by_hand))
            raise
    written = _written(path, before, left, compared.skipped)
    others = tuple(each for each in place.project.history.heads if each != head)
    return replace(written, detected=(*written.detected, *added), beside=() if head == HEAD else others)


def _is_unseen(difference: Difference) -> bool:
    """Return whether Alembic never detects a difference of this kind. If so, the new revision lacks this change."""
    if difference.kind == "enum":
        return bool(difference.aspect)
    return difference.kind not in ("table", "column", "primary key", "foreign key", "unique", "check", "index")


def _changes(compared: Bench, first: Comparison) -> Writing:
    """Return the request to write the differences that Alembic detects on the first of the compared engines."""
    # Alembic compares less than we do. Where we find no difference, it finds none either, or is wrong.
    return Writing(
        compared.project,
        only_changes=True,
        tables=frozenset(each.table for each in first.found),
        columns=frozenset(each.path for each in first.found if each.kind == "column"),
        at_head=compared.at_head[first.engine],
        in_batches="sqlite" in compared.at_head,
    )


def _shown(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield the differences as text. If only one engine has a difference, the text names the engine."""
    lines: dict[str, list[str]] = {}
    for comparison in comparisons:
        for line in _render(comparison.found):
            lines.setdefault(line, []).append(comparison.name)
    for line, engines in lines.items():
        yield line if len(engines) == len(comparisons) else f"{engines[0]}: {line}"


def _write(writing: Writing, place: Staging, message: str, id_: str | None = None, head: str = HEAD) -> Path | None:
    config, folder = writing.project.alembic_config(antarest=writing), str(place.folder)
    # Alembic reports each write hook, even with `quiet`.
    with undisturbed(), without_warnings(), naming_template(writing.project, place.folder):
        script = command.revision(config, message, writing.only_changes, head=head, rev_id=id_, version_path=folder)
    if not isinstance(script, Script):
        return None
    path = Path(script.path)
    place.require_found(path)
    if writing.lossy and not hasattr(script.module, "lossy"):  # The template of the project does not write `lossy`.
        _declare(path, writing.lossy)
    return path


def _declare(path: Path, losses: Mapping[str, str]) -> None:
    """Write the losses of the downgrade into a revision file, before its first function."""
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    functions = [node for node in parse(text).body if isinstance(node, ast.FunctionDef)]
    decorated = [each.lineno for node in functions for each in node.decorator_list]
    first = min([*decorated, *(node.lineno for node in functions)]) - 1
    declared = f"lossy = {json.dumps({'downgrade': losses}, ensure_ascii=False)}"
    lines[first:first] = [declared, "", ""]
    path.write_text("\n".join(lines), "utf-8")


def _put(place: Staging, written: Written) -> Written:
    return replace(written, path=place.put(written.path)) if written.path else written


def write_again(
    project: Project,
    revision: Revision,
    db: DbConfig | None = None,
    note: Tell = say_nothing,
) -> Written:
    """Write the newest revision again from the models, with the same id and message.

    Args:
        project: the project of the revision.
        revision: the revision. No other revision follows it.
        db: the configured database, as for `write_revision`.
        note: as for `write_revision`.

    Returns:
        The result. If the new content would be the same, the file is unchanged, and the `path` of the result is None.
    """
    project.refuse_installed()
    require_template(project)
    with staging(project, replaced=revision) as place:
        return _put(place, _write_changes(place, revision.message, revision.id, db, note))


def merge_heads(project: Project, message: str) -> Path:
    """Write a revision that joins all heads.

    Args:
        project: the project that gets the revision.
        message: the purpose of the revision.

    Returns:
        The new file.
    """
    project.refuse_installed()
    require_template(project)
    with staging(project, alone=True) as place:
        config = place.project.alembic_config(antarest=Writing(place.project))
        with undisturbed(), naming_template(place.project, place.folder):
            script = command.merge(config, list(project.history.heads), message)
        assert isinstance(script, Script)  # noqa: S101 - Alembic writes one, or raises
        return place.put(Path(script.path))


def format_file(path: str) -> None:
    """Format a new revision file and sort its imports with ruff. Without ruff, do nothing.

    An empty revision keeps its imports, because its author needs them.
    """
    try:
        from ruff import find_ruff_bin
    except ImportError:
        return
    is_empty = not re.search(r"\bop\.", Path(path).read_text(encoding="utf-8"))
    keep = ["--unfixable=F401"] if is_empty else []
    for arguments in (["check", "--fix-only", *keep], ["format"]):
        subprocess.run([find_ruff_bin(), *arguments, "--quiet", path], check=False)


def _render(differences: Iterable[Difference]) -> Iterator[str]:
    for difference in differences:
        if difference.aspect:
            yield difference.render("the migrations", "the models") + how_to_rename(difference)
        else:
            yield f"{'drops' if difference.after is None else 'adds'} {difference.kind} {difference.path}"
