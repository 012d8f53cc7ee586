"""Revision files, read without running them.

The revision graph depends only on literals (`revision = "..."`), so this module does not import Alembic.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors.base import AntarestError
from ..errors.facts.project import InvalidRevisionFile
from ..errors.revision import Revision
from ..errors.syntax import parse
from ..errors.text import described, first_line
from .history import History

_GRAPH = ("revision", "down_revision", "depends_on", "branch_labels")
_ASSIGNMENTS = frozenset({*_GRAPH, "lossy", "moves", "irreversible", "transaction", "row_security"})
_NOT_IN_IDS = frozenset("@-+:")  # In a reference to a revision, Alembic gives them a meaning.
_BOUNDARIES = ("own", "none")

HASH = "sha256"
_ID = rb"(?:\"[\w.]+\"|'[\w.]+')"
_IS = rb"(?:[ \t]*:[^=\n]*)?[ \t]*=[ \t]*"
_END = rb"[ \t\r]*(?:#.*)?$"
# The lines about the graph, as the templates have them: one after the other; the last two may be missing.
_USUAL_LINES = re.compile(
    rb"^revision%(is)b(?P<id>%(id)b)%(end)b\ndown_revision%(is)b(?P<down>None|%(id)b|\(%(id)b(?:, ?%(id)b)*,?\))%(end)b"
    rb"(?:\nbranch_labels%(is)bNone%(end)b)?(?:\ndepends_on%(is)bNone%(end)b)?"
    % {b"id": _ID, b"is": _IS, b"end": _END},
    re.MULTILINE,
)
_QUOTED = re.compile(r"[\"']([\w.]+)[\"']")
_COMMENT = b"# revision identifiers, used by Alembic."  # in the templates of Alembic
# Whether a line can set the names in another way. If this is possible, the whole file is parsed.
# The expression begins with a word, because Python searches for a word quickly; the part before it is a look-behind.
_MAY_BIND = re.compile(
    rb"revision\b(?:[ \t]*(?:[-+*/|&,:;=)\]]|in\b)"
    rb"|(?<=[sflt,][ \t]revision)|(?<=[ \t]{2}revision)|(?<=,revision)"  # as, class, def, del, global, import
    rb"|(?<=[sflt,][ \t]down_revision)|(?<=[ \t]{2}down_revision)|(?<=,down_revision))"
)
_AT_ONCE = 1 << 16  # bytes: few files are longer, and these are parsed


def digest_of(content: bytes) -> str:
    """Return the hash of a revision file, with the name of its algorithm."""
    return f"{HASH}:{hashlib.sha256(content).hexdigest()}"


def read_history(folders: Iterable[Path], *, recursive: bool = False) -> History:
    """Read the revision files of these folders.

    Args:
        folders: the folders of revision files.
        recursive: whether the folders below `folders` are read too.

    Raises:
        InvalidRevisionFile: a file is not Python, or has no `revision`.
        DuplicateRevision, MissingPredecessor, RevisionCycle: the revisions do not make a graph.
    """
    return History(
        _outline(folder, name) or read_revision(Path(folder, name))
        for folder, name in listed(folders, recursive=recursive)
    )


def listed(folders: Iterable[Path], *, recursive: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the folder and the name of each revision file once, in the order in which Alembic finds them."""
    found = [each for folder in folders for each in (_below(folder) if recursive else [_names_in(folder)])]
    seen: set[str] = set()
    for folder, names in found:
        for name in sorted(names):
            if is_revision_file(name):
                if len(found) > 1:  # Folders can overlap.
                    path = os.path.realpath(f"{folder}/{name}")
                    if path in seen:
                        continue
                    seen.add(path)
                yield folder, name


def _names_in(folder: Path) -> tuple[str, list[str]]:
    return str(folder), os.listdir(folder)  # noqa: PTH208 - far faster


def _below(folder: Path) -> Iterator[tuple[str, list[str]]]:
    return ((root, names) for root, _, names in os.walk(folder) if not root.endswith("__pycache__"))


def is_revision_file(name: str) -> bool:
    """Return whether a file with this name is a revision file, if it is in a folder of revisions."""
    return name.endswith(".py") and not name.startswith(("__init__", ".#"))


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write revision files into an empty folder. If a name occurs twice, the second file gets a number.

    Returns:
        The folder.
    """
    for number, (name, content) in enumerate(files):
        path = folder / name
        (path if not path.exists() else folder / f"{number}_{name}").write_bytes(content)
    return folder


class _Outline(Revision):
    """A revision of which only the place in the graph was read. The rest of its file is read when it is needed."""

    def __init__(self, id_: str, down: tuple[str, ...], place: tuple[str, str]) -> None:
        self.__dict__.update(id=id_, down=down, _place=place)  # The dataclass is frozen.

    @cached_property
    def path(self) -> Path:
        """The path of the revision file."""
        folder, name = self.__dict__["_place"]
        return Path(folder, name)

    @cached_property
    def _read(self) -> Revision:
        return read_revision(self.path)

    message = cached_property(lambda self: self._read.message)
    lossy = cached_property(lambda self: self._read.lossy)
    moves = cached_property(lambda self: self._read.moves)
    irreversible = cached_property(lambda self: self._read.irreversible)
    transaction = cached_property(lambda self: self._read.transaction)
    row_security = cached_property(lambda self: self._read.row_security)
    uses_autocommit = cached_property(lambda self: self._read.uses_autocommit)


def _outline(folder: str, file: str) -> Revision | None:
    """Read only the lines that define the place of a revision in the graph; None if a line has an unusual form.

    This must be fast for thousands of files. A `Path` or a file object would take longer than everything else.
    """
    try:
        opened = os.open(f"{folder}/{file}", os.O_RDONLY)
        try:
            content = os.read(opened, _AT_ONCE)
        finally:
            os.close(opened)
    except OSError:
        return None
    if len(content) == _AT_ONCE or not (found := _USUAL_LINES.search(content)):
        return None
    rest = content[: found.start()].replace(_COMMENT, b"") + content[found.end() :]
    if b"branch_labels" in rest or b"depends_on" in rest or b"<<<<<<< " in rest or _MAY_BIND.search(rest):
        return None
    return _Outline(found["id"][1:-1].decode(), tuple(_QUOTED.findall(found["down"].decode())), (folder, file))


def read_revision(path: Path) -> Revision:
    """Read one revision file without running it.

    Raises:
        InvalidRevisionFile: the file is not Python, or has no `revision`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRevisionFile(path, str(error)) from None
    return parse_revision(content, path)


def parse_revision(content: bytes, path: Path) -> Revision:
    """Read the declarations of a revision file.

    Args:
        content: the content of the file.
        path: the path of the file, for messages.

    Raises:
        InvalidRevisionFile: the file is not Python, or has no `revision`.
    """
    try:
        tree = parse(content, filename=str(path))
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise InvalidRevisionFile(path, f"{place}{error.msg}") from None
    except ValueError as error:
        raise InvalidRevisionFile(path, str(error)) from None
    values = _assignments(path, tree, has_global=b"global" in content)
    id_ = values.get("revision")
    if not isinstance(id_, str) or not id_:
        raise InvalidRevisionFile(path, 'it has no line revision = "..."')
    if "down_revision" not in values:
        raise InvalidRevisionFile(path, "it has no line down_revision = ...")
    if not _NOT_IN_IDS.isdisjoint(id_):
        raise InvalidRevisionFile(path, f"the id {id_!r} has one of the characters @ - + :")
    message = first_line(ast.get_docstring(tree) or "")
    return Revision(
        id=id_,
        down=_as_ids(path, values["down_revision"]),
        depends_on=_as_ids(path, values.get("depends_on")),
        branch_labels=_as_ids(path, values.get("branch_labels")),
        message=message,
        path=path,
        uses_autocommit=b"autocommit_block" in content and _names(tree, "autocommit_block"),
        **_declarations(path, values),
    )


@contextmanager
def importing(folders: Iterable[Path]) -> Iterator[None]:
    """If Alembic cannot import a revision file in the block, raise an error that names the file.

    Alembic imports all revision files before it runs one of them, and does not name the file that failed. Then Alembic
    asks the modules for their function `upgrade` or `downgrade`.

    Raises:
        InvalidRevisionFile: the top level of a revision file raised an error, or a file lacks the function.
    """
    try:
        yield
    except (AntarestError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        path = Path(error.filename or "")
        if _is_below(path, folders):
            raise InvalidRevisionFile(path, f"line {error.lineno}: {error.msg}") from error
        raise
    except BaseException as error:  # A file that calls sys.exit(0) must not end the command as if it had succeeded.
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == "<module>"]
        found = [(frame.f_code.co_filename, described(error)) for frame in frames]
        if isinstance(error, AttributeError) and error.name in ("upgrade", "downgrade"):
            found.append((getattr(error.obj, "__file__", ""), f"it has no function {error.name}"))
        for file, why in found:
            if _is_below(Path(file), folders):
                raise InvalidRevisionFile(Path(file), why) from error
        raise


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for folder in folders)  # Alembic resolves links too.


def _assignments(path: Path, tree: ast.Module, *, has_global: bool) -> dict[str, Any]:
    """Return the values of the names that a revision file declares at its top level.

    Args:
        path: the path of the file, for messages.
        tree: the parsed file.
        has_global: whether the text has the word `global`. Without it, functions cannot set the names.

    Raises:
        InvalidRevisionFile: a value is not a literal, or a name is not set by a simple assignment.
    """
    values, read = dict[str, Any](), set[ast.AST]()
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and target.id in _ASSIGNMENTS:
                try:
                    values[target.id] = ast.literal_eval(node.value)
                except (ValueError, TypeError):
                    raise InvalidRevisionFile(path, f"line {node.lineno}: {target.id} is not a literal") from None
                read |= {target, node.value}
    inner = [node for node in ast.walk(tree) if isinstance(node, ast.Global)] if has_global else []
    for node in (*_executed(tree, read), *inner):
        if name := next(iter(_ASSIGNMENTS.intersection(_bound(node))), ""):
            raise InvalidRevisionFile(path, f"line {node.lineno}: {name} is not set by an assignment of its own")
    return values


def _executed(tree: ast.Module, read: Collection[ast.AST]) -> Iterator[Any]:
    """Yield each syntax node. Leave out the nodes in `read`, and the contents of functions, classes and lambdas."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        if (node := waiting.pop()) not in read:
            yield node
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                waiting.extend(ast.iter_child_nodes(node))


def _bound(node: ast.AST) -> Iterable[str]:
    """Return the names that a part of a file sets or deletes."""
    if isinstance(node, ast.Name):
        return () if isinstance(node.ctx, ast.Load) else (node.id,)
    if isinstance(node, ast.alias):
        return (node.asname or node.name,)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return (node.name,)
    return node.names if isinstance(node, ast.Global) else ()


def _as_ids(path: Path, value: object) -> tuple[str, ...]:
    ids = (value,) if isinstance(value, str) else () if value is None else value
    if not isinstance(ids, (tuple, list)) or not all(isinstance(each, str) for each in ids):
        raise InvalidRevisionFile(path, f"{value!r} is not a revision id")
    return tuple(ids)


def _declarations(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file declares, such as `lossy` and `moves`. Refuse a wrong form, because it could hide a loss.

    Raises:
        InvalidRevisionFile: a declaration has a wrong form.
    """
    lossy, moves = values.get("lossy", {}), values.get("moves", {})
    well_formed = isinstance(lossy, dict) and all(_is_text_mapping(part) for part in lossy.values())
    if not well_formed or not set(lossy) <= {"upgrade", "downgrade"}:
        raise InvalidRevisionFile(path, 'lossy must have the form {"upgrade": {"table.column": "why"}}')
    if not _is_text_mapping(moves):
        raise InvalidRevisionFile(path, 'moves must have the form {"table.column": "table.column"}')
    reasons = {name: values.get(name, "") for name in ("irreversible", "row_security")}
    for name, reason in reasons.items():
        if not isinstance(reason, str):
            raise InvalidRevisionFile(path, f"{name} must be the reason, as text")
    transaction = values.get("transaction", "")
    if "transaction" in values and transaction not in _BOUNDARIES:
        raise InvalidRevisionFile(path, 'transaction must be "own" or "none"')
    return {"lossy": lossy, "moves": moves, "transaction": transaction, **reasons}


def does_the_same(one: bytes, other: bytes) -> bool:
    """Return whether two revision files differ only in comments, docstrings and layout."""
    if one == other:
        return True
    try:
        return ast.dump(_bare(one)) == ast.dump(_bare(other))
    except (SyntaxError, ValueError):
        return False


def _bare(content: bytes) -> ast.Module:
    """Return the code of a file without its docstrings."""
    tree = parse(content)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return tree


def _names(tree: ast.Module, attribute: str) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == attribute for node in ast.walk(tree))


def _is_text_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
