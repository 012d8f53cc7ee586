"""The facts that are read from revision files, and the files that are refused."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from antarest.migration.errors.facts.project import InvalidRevisionFile
from antarest.migration.errors.revision import Revision
from antarest.migration.project.revision_files import read_history, read_revision


def test_a_file_is_read_without_running_it(tmp_path: Path) -> None:
    file = tmp_path / "b1_update_study.py"
    file.write_text(
        '"""update study\n\nMore words.\n"""\n\nimport nowhere\nraise SystemExit\n'
        'revision: str = "b1"\ndown_revision = ("a1", "a2")\ndepends_on = "z1"\n'
        'lossy = {"downgrade": {"study.tags": "they are new"}}\nmoves = {"raw.path": "study.path"}\n'
        'irreversible = "why"\ntags = nowhere()\n'
    )

    assert read_revision(file) == Revision(
        "b1",
        ("a1", "a2"),
        "update study",
        file,
        ("z1",),
        {"downgrade": {"study.tags": "they are new"}},
        {"raw.path": "study.path"},
        "why",
    )


def test_a_revision_tells_its_losses_and_moves_by_direction() -> None:
    revision = Revision(
        "b1", (), "", Path("b1.py"), lossy={"downgrade": {"t": "new"}}, moves={"a.x": "b.x", "a.y": "b.x"}
    )

    assert (revision.losses("upgrade"), revision.losses("downgrade")) == ({}, {"t": "new"})
    assert revision.destinations("upgrade") == {"a.x": ["b.x"], "a.y": ["b.x"]}
    assert revision.destinations("downgrade") == {"b.x": ["a.x", "a.y"]}


@pytest.mark.parametrize("down", ["down_revision = None", "down_revision: str | None = None", "down_revision = ()"])
def test_a_base_follows_nothing(tmp_path: Path, down: str) -> None:
    file = tmp_path / "a1.py"
    file.write_text(f'revision = "a1"\n{down}')

    assert read_revision(file) == Revision("a1", (), "", file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def upgrade(:", "line 1: invalid syntax"),
        ('revision = "a1"\n\tx = 1\n', "line 2: unexpected indent"),
        ("", "it has no line revision = "),
        ('revision = ""', "it has no line revision = "),
        ("revision = 7", "it has no line revision = "),
        ('revision = "a" + name', "line 1: revision is not a literal"),
        ("revision = {[]: 1}", "line 1: revision is not a literal"),
        ('revision = "a1"', "it has no line down_revision = "),
        ('revision = "a1"\ndown_revision = 7', "7 is not a revision id"),
        ('revision = "a1"\ndown_revision = ("b1", None)', "('b1', None) is not a revision id"),
        ('revision = "a1"\ndown_revision = other.revision', "line 2: down_revision is not a literal"),
        ('revision = "a1"\ndown_revision = None\nlossy = {"down": {"t": "x"}}', "lossy must have the form"),
        ('revision = "a1"\ndown_revision = None\nlossy = {"upgrade": ["t"]}', "lossy must have the form"),
        ('revision = "a1"\ndown_revision = None\nlossy = "all"', "lossy must have the form"),
        ('revision = "a1"\ndown_revision = None\nmoves = ["a"]', "moves must have the form"),
        ('revision = "a1"\ndown_revision = None\nirreversible = True', "irreversible must be the reason"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "a1_bad.py"
    file.write_text(text)

    with pytest.raises(InvalidRevisionFile) as caught:
        read_revision(file)

    assert reason in caught.value.message
    assert caught.value.message.startswith("the revision file a1_bad.py cannot be read: ")
    assert caught.value.details == {"file": str(file)}


@pytest.mark.parametrize("data", [b'revision = "\xff"', b"\x00", b"\xff\xfe"])
def test_a_file_that_is_no_text(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a1.py"
    file.write_bytes(data)

    with pytest.raises(InvalidRevisionFile) as caught:
        read_revision(file)

    assert "None" not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a1.py").mkdir()

    with pytest.raises(InvalidRevisionFile, match="Is a directory"):
        read_history([tmp_path])


def test_a_history_is_read_from_every_folder(tmp_path: Path) -> None:
    files = {"one/a1.py": 'revision = "a1"\ndown_revision = None', "two/b1.py": 'revision = "b1"\ndown_revision = "a1"'}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "one" / "__init__.py").touch()
    (tmp_path / "one" / "notes.txt").write_text("no revision")

    found = read_history([tmp_path / "one", tmp_path / "two"])

    assert found.order == ("a1", "b1")
    assert found["b1"].path == tmp_path / "two" / "b1.py"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('revision = "a"\ndown_revision = None\n', ("a", ())),
        ("revision='a'\ndown_revision='b' # why\n", ("a", ("b",))),
        ('revision: str = "a"\ndown_revision: str | tuple[str, ...] | None = ("b", "c")\n', ("a", ("b", "c"))),
        ('"""\nrevision = "z"\n"""\nrevision = "a"\ndown_revision = None\n', ("a", ())),
        ('revision = (\n    "a"\n)\ndown_revision = None\n', ("a", ())),
        ('revision_of = 1\nrevision = "a"\ndown_revision = "b"\n', ("a", ("b",))),
        ('revision = "a"; x = 1\ndown_revision = "b"\n', ("a", ("b",))),
        ('revision = "a" "b"\ndown_revision = None\n', ("ab", ())),
        ('revision = "a"\r\ndown_revision = "b"\r\n', ("a", ("b",))),
        ('revision = "a"\ndown_revision = ["b"]\n', ("a", ("b",))),
        ('revision = "a"\ndown_revision = "b"\ndown_revision = "c"\n', ("a", ("c",))),
        (f'revision = "a"\ndown_revision = "b"\n{"# long" * 20_000}\ndown_revision = "c"\n', ("a", ("c",))),
    ],
    ids=range(12),
)
def test_a_history_is_read_as_each_file_is(tmp_path: Path, text: str, expected: tuple[str, tuple[str, ...]]) -> None:
    """The graph needs only some lines of a simple file, but all lines of any other file."""
    (tmp_path / "a.py").write_bytes(text.encode())
    for id_ in expected[1]:
        (tmp_path / f"{id_}.py").write_text(f'revision = "{id_}"\ndown_revision = None\n')

    history = read_history([tmp_path])

    assert (history[expected[0]].id, history[expected[0]].down) == expected
    assert read_revision(tmp_path / "a.py").down == expected[1]


def test_the_rest_of_a_file_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        '"""what it does"""\nrevision = "a"\ndown_revision = None\ndepends_on = "b"\nmoves = {"t.a": "t.b"}\n'
    )
    (tmp_path / "b.py").write_text('revision = "b"\ndown_revision = None\nlossy = nothing(\n')

    history = read_history([tmp_path])

    assert history["a"].depends_on == ("b",)
    assert (history["a"].message, history["a"].moves) == ("what it does", {"t.a": "t.b"})
    with pytest.raises(InvalidRevisionFile, match=r"b\.py cannot be read: line 3"):
        _ = history["b"].lossy


def test_a_file_with_the_marks_of_a_conflict_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('revision = "a"\ndown_revision = None\n<<<<<<< HEAD\n')
    with pytest.raises(InvalidRevisionFile):
        read_history([tmp_path])


def test_threads_may_read_files_at_once(tmp_path: Path) -> None:
    file = tmp_path / "b1.py"
    file.write_text('revision = "b1"\ndown_revision = None\n' + "x = [[1], [2], {3: [4]}]\n" * 20)
    threshold = gc.get_threshold()

    def change_thread(*_: object) -> None:
        time.sleep(0)

    # The garbage collector runs while a file is parsed, and lets another thread continue.
    gc.callbacks.append(change_thread)
    gc.set_threshold(20)
    try:
        with ThreadPoolExecutor(4) as threads:
            read = list(threads.map(read_revision, [file] * 400))
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(change_thread)

    assert {revision.id for revision in read} == {"b1"}
