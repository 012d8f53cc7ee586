"""Reading revision files without running them, and naming one that Alembic cannot import.

What the graph needs of them are literals (`revision = "..."`), so a history is known without importing Alembic, and
whatever else a file does.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors.base import AntarestError
from ..errors.facts.project import InvalidRevisionFile
from ..errors.revision import Revision
from ..errors.text import first_line
from .history import History

_ASSIGNMENTS = ("revision", "down_revision", "depends_on", "lossy", "moves", "irreversible", "transaction")
_BOUNDARIES = ("own", "none")

HASH = "sha256"
_ID = rb"(?:\"[\w.-]+\"|'[\w.-]+')"
_LINE = re.compile(
    rb"(?:[ \t]*:[^=\n]*)?[ \t]*=[ \t]*(None|%b|\(%b(?:, ?%b)*,?\))[ \t\r]*(?:#.*)?$" % (_ID, _ID, _ID),
    re.MULTILINE,
)
_QUOTED = re.compile(r"[\"']([\w.-]+)[\"']")
_CONFLICT = b"\n<<<<<<< "
_LONGEST = 1 << 16  # bytes of a file that is read by its lines


def digest_of(content: bytes) -> str:
    """The hash of a revision file, with its algorithm."""
    return f"{HASH}:{hashlib.sha256(content).hexdigest()}"


def read_history(folders: Iterable[Path]) -> History:
    """Read the revision files of these folders.

    Raises:
        InvalidRevisionFile: a file is not Python, or does not say which revision it is.
        DuplicateRevision, MissingPredecessor, RevisionCycle: the files do not make a graph.
    """
    names = [(folder, name) for folder in folders for name in sorted(os.listdir(folder))]  # noqa: PTH208 - far faster
    files = [(folder, name) for folder, name in names if is_revision_file(name)]
    return History(_outline(str(folder), name) or read_revision(folder / name) for folder, name in files)


def is_revision_file(name: str) -> bool:
    """Whether a file of that name, in a folder of revisions, is one."""
    return name.endswith(".py") and name != "__init__.py"


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write revision files into an empty folder; of those with the same name, the later ones under another one.

    Returns:
        The folder.
    """
    for number, (name, content) in enumerate(files):
        path = folder / name
        (path if not path.exists() else folder / f"{number}_{name}").write_bytes(content)
    return folder


class _Outline(Revision):
    """A revision whose place in the graph is known; the rest of its file is read when somebody asks for it.

    Of thousands of files most are asked for nothing else.
    """

    def __init__(self, id_: str, down: tuple[str, ...], depends_on: tuple[str, ...], place: tuple[str, str]) -> None:
        self.__dict__.update(id=id_, down=down, depends_on=depends_on, _place=place)  # It is frozen.

    @cached_property
    def path(self) -> Path:
        """Its file."""
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
    uses_autocommit = cached_property(lambda self: self._read.uses_autocommit)


def _outline(folder: str, file: str) -> Revision | None:
    """Read the place of a revision from the lines that say it; None where they are not as simple as mostly.

    It is written for thousands of files: a `Path` and its `read_bytes` take longer than the rest.
    """
    try:
        descriptor = os.open(f"{folder}/{file}", os.O_RDONLY)
        try:
            content = b"\n" + os.read(descriptor, _LONGEST)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    if len(content) > _LONGEST:
        return None
    id_, down = _ids_of(content, b"\nrevision"), _ids_of(content, b"\ndown_revision")
    depends_on = _ids_of(content, b"\ndepends_on")
    if not id_ or len(id_) != 1 or down is None or depends_on is None or _CONFLICT in content:
        return None
    return _Outline(id_[0], down, depends_on, (folder, file))


def _ids_of(content: bytes, name: bytes) -> tuple[str, ...] | None:
    """The ids that a line sets a name to; None where there is more than one such line, or another value."""
    start = content.find(name)
    if start < 0:
        return () if name == b"\ndepends_on" else None
    end = start + len(name)
    if content.find(name, end) >= 0:
        return None  # One of them may be in a text.
    found = _LINE.match(content, end)
    if found is None:
        return None
    ids = found[1]
    if ids.startswith(b"("):
        return tuple(_QUOTED.findall(ids.decode()))
    return () if ids == b"None" else (ids[1:-1].decode(),)


def read_revision(path: Path) -> Revision:
    """Read one revision file without running it.

    Raises:
        InvalidRevisionFile: it is not Python, or does not say which revision it is.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRevisionFile(path, str(error)) from None
    return parse_revision(content, path)


def parse_revision(content: bytes, path: Path) -> Revision:
    """Read what a revision file declares.

    Args:
        content: the file.
        path: where it is, or where it would be.

    Raises:
        InvalidRevisionFile: it is not Python, or does not say which revision it is.
    """
    try:
        tree = ast.parse(content, filename=str(path))
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise InvalidRevisionFile(path, f"{place}{error.msg}") from None
    except ValueError as error:
        raise InvalidRevisionFile(path, str(error)) from None
    values = _assignments(path, tree)
    if not isinstance(values.get("revision"), str) or not values["revision"]:
        raise InvalidRevisionFile(path, 'it has no line revision = "..."')
    message = first_line(ast.get_docstring(tree) or "")
    return Revision(
        id=values["revision"],
        down=_as_ids(path, values.get("down_revision")),
        depends_on=_as_ids(path, values.get("depends_on")),
        message=message,
        path=path,
        uses_autocommit=b"autocommit_block" in content and _names(tree, "autocommit_block"),
        **_declarations(path, values),
    )


@contextmanager
def importing(folders: Iterable[Path]) -> Iterator[None]:
    """Name the revision file that cannot be imported: Alembic imports them all before it runs the first.

    Raises:
        InvalidRevisionFile: what was raised inside the block comes from the top of such a file.
    """
    try:
        yield
    except AntarestError:
        raise
    except SyntaxError as error:
        path = Path(error.filename or "")
        if path.parent in {*folders}:
            raise InvalidRevisionFile(path, f"line {error.lineno}: {error.msg}") from error
        raise
    except Exception as error:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == "<module>"]
        files = [Path(frame.f_code.co_filename) for frame in frames]
        for path in files:
            if path.parent in {*folders}:
                raise InvalidRevisionFile(path, f"{type(error).__name__}: {error}") from error
        raise


def _assignments(path: Path, tree: ast.Module) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and target.id in _ASSIGNMENTS:
                try:
                    values[target.id] = ast.literal_eval(node.value)
                except (ValueError, TypeError):
                    raise InvalidRevisionFile(path, f"line {node.lineno}: {target.id} is not a literal") from None
    return values


def _as_ids(path: Path, value: object) -> tuple[str, ...]:
    ids = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (tuple, list)) else ()
    if (value is not None and not isinstance(value, (str, tuple, list))) or not all(isinstance(i, str) for i in ids):
        raise InvalidRevisionFile(path, f"{value!r} is no revision")
    return ids


def _declarations(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says of its losses. A misspelt one would permit nothing, or too much: refuse it here."""
    lossy, moves, irreversible = values.get("lossy", {}), values.get("moves", {}), values.get("irreversible", "")
    well_formed = isinstance(lossy, dict) and all(_is_text_mapping(part) for part in lossy.values())
    if not well_formed or not set(lossy) <= {"upgrade", "downgrade"}:
        raise InvalidRevisionFile(path, 'lossy must have the form {"upgrade": {"table.column": "why"}}')
    if not _is_text_mapping(moves):
        raise InvalidRevisionFile(path, 'moves must have the form {"table.column": "table.column"}')
    if not isinstance(irreversible, str):
        raise InvalidRevisionFile(path, "irreversible must be the reason, as text")
    transaction = values.get("transaction", "")
    if "transaction" in values and transaction not in _BOUNDARIES:
        raise InvalidRevisionFile(path, 'transaction must be "own" or "none"')
    return {"lossy": lossy, "moves": moves, "irreversible": irreversible, "transaction": transaction}


def does_the_same(one: bytes, other: bytes) -> bool:
    """Whether two revision files differ in nothing but comments, docstrings and layout."""
    if one == other:
        return True
    try:
        return ast.dump(_bare(one)) == ast.dump(_bare(other))
    except (SyntaxError, ValueError):
        return False


def _bare(content: bytes) -> ast.Module:
    """What a file does, without its docstrings."""
    tree = ast.parse(content)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return tree


def _names(tree: ast.Module, attribute: str) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == attribute for node in ast.walk(tree))


def _is_text_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
