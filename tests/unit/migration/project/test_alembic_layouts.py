"""Our reader of a project and Alembic find the same revisions in each layout of Alembic, or ours refuses the layout."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from antarest.migration.errors.base import AntarestError
from antarest.migration.errors.facts.project import InvalidProject, InvalidRevisionFile
from antarest.migration.project.history import History
from antarest.migration.project.project import Project
from tests.support.projects.checkouts import ROOT

INI = "[alembic]\nscript_location = %(here)s/db\n"
A, B = "db/versions/a.py", "db/versions/b.py"
SUBFOLDERS = {"db/versions/2024/a.py": "a", "db/versions/2025/q1/b.py": "b < a"}
SEVERAL = {"one/a.py": "a", "two/b.py": "b < a"}
TEMPLATES = ("generic", "async", "pyproject", "pyproject_async")


def revision(text: str) -> str:
    """Return a revision file; `b < a` is revision b, which follows a."""
    if "=" in text:
        return text
    id_, _, down = text.partition(" < ")
    return f'revision = "{id_}"\ndown_revision = {down!r}\n' if down else f'revision = "{id_}"\ndown_revision = None\n'


def write(folder: Path, settings: str, files: Mapping[str, str]) -> Project:
    """Write a project with these settings (TOML if they contain a TOML table) and files."""
    toml = "[tool." in settings
    (folder / ("pyproject.toml" if toml else "alembic.ini")).write_text(settings)
    (folder / "db").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(revision(text))
    return Project.load()


def as_alembic_reads_it(folder: Path) -> ScriptDirectory:
    """Return the same project, as the program `alembic` reads it in its folder."""
    ini = folder / "alembic.ini"
    scripts = ScriptDirectory.from_config(Config(ini if ini.exists() else None, toml_file=folder / "pyproject.toml"))
    scripts.get_heads()
    return scripts


def facts_of(history: History) -> dict[str, tuple[Path, set[str], set[str], set[str]]]:
    """Return the file, predecessors, dependencies and labels of each revision, as we read them."""
    revisions = [history[id_] for id_ in history.order]
    return {r.id: (r.path.resolve(), {*r.down}, {*r.depends_on}, {*r.branch_labels}) for r in revisions}


def facts_of_alembic(scripts: ScriptDirectory) -> dict[str, tuple[Path, set[str], set[str], set[str]]]:
    """Return the same facts, as Alembic reads them."""
    return {
        s.revision: (
            Path(s.path),
            {*s._versioned_down_revisions},
            {*s._resolved_dependencies},
            {*(s._orig_branch_labels or ())},
        )
        for s in scripts.walk_revisions()
    }


LAYOUTS: dict[str, tuple[str, dict[str, str]]] = {
    "plain": (INI, {A: "a", B: "b < a"}),
    "relative folder": ("[alembic]\nscript_location = db\n", {A: "a"}),
    "no revision": (INI, {"db/versions/.keep": " = "}),
    "interpolation": (
        "[DEFAULT]\nname = db\n[alembic]\nroot = %(here)s\nscript_location = %(root)s/%(name)s\n",
        {A: "a"},
    ),
    "a percent sign": ("[alembic]\nscript_location = %(here)s/d%%b\n", {"d%b/versions/a.py": "a"}),
    "a URL that env.py completes": (f"{INI}sqlalchemy.url = postgresql://%(DB_USER)s:a%40b@db1/shop\n", {A: "a"}),
    "recursive": (f"{INI}recursive_version_locations = true\n", {**SUBFOLDERS, "db/versions/c.py": "c < b"}),
    "recursive, other word": (f"{INI}recursive_version_locations = yes\n", {A: "a", "db/versions/x/b.py": "b"}),
    "folders by year": (
        f"{INI}recursive_version_locations = true\nfile_template = %%(year)d/%%(rev)s\n",
        {"db/versions/2024/a.py": "a", "db/versions/2025/b.py": "b < a"},
    ),
    "a cache below": (
        f"{INI}recursive_version_locations = true\n",
        {A: "a", "db/versions/__pycache__/b.py": "b", "db/versions/x__pycache__/c.py": "c"},
    ),
    "overlapping folders": (
        f"{INI}recursive_version_locations = true\npath_separator = space\nversion_locations = one one/x\n",
        {"one/a.py": "a", "one/x/b.py": "b < a"},
    ),
    **{
        f"{key} = {name}": (f"{INI}{key} = {name}\nversion_locations = {locations}\n", SEVERAL)
        for key in ("path_separator", "version_path_separator")
        for name, locations in {
            "os": "%(here)s/one:two",
            "space": "%(here)s/one  two",
            "newline": "\n  %(here)s/one\n  two\n",
            ":": "one : two",
            ";": "one; two;",
        }.items()
    },
    "both separators": (
        f"{INI}path_separator = ;\nversion_path_separator = os\nversion_locations = one;two\n",
        SEVERAL,
    ),
    "legacy, spaces": (f"{INI}version_locations = %(here)s/one two\n", SEVERAL),
    "legacy, commas": (f"{INI}version_locations = one, %(here)s/two\n", SEVERAL),
    "one folder elsewhere": (f"{INI}version_locations = one\n", {"one/a.py": "a", A: "b"}),
    "pyproject.toml": ('[tool.alembic]\nscript_location = "%(here)s/db"\n', {A: "a", B: "b < a"}),
    "pyproject.toml, several": (
        '[tool.alembic]\nscript_location = "db"\nversion_locations = ["%(here)s/one", "two"]\n',
        SEVERAL,
    ),
    "pyproject.toml, recursive": (
        '[tool.alembic]\nscript_location = "db"\nrecursive_version_locations = true\n',
        SUBFOLDERS,
    ),
    "both files": (
        '[tool.alembic]\nscript_location = "nowhere"\nversion_locations = ["one", "two"]\n',
        {**SEVERAL, "alembic.ini": INI},
    ),
    "both files, folders in alembic.ini": (
        '[tool.alembic]\nversion_locations = ["db/versions"]\n',
        {**SEVERAL, "alembic.ini": f"{INI}version_locations = one, two\n"},
    ),
    "an empty alembic.ini": (
        '[tool.alembic]\nscript_location = "db"\n',
        {A: "a", "alembic.ini": "[loggers]\nkeys = root\n"},
    ),
    "a folder of a package": (
        "[alembic]\nscript_location = shop_of_this_test:db\nprepend_sys_path = .\n",
        {"shop_of_this_test/__init__.py": "# =", "shop_of_this_test/db/versions/a.py": "a"},
    ),
    "files that are none": (
        INI,
        {A: "a", **{f"db/versions/{n}": "b" for n in ("__init__.py", "__init__x.py", ".#b.py", "b.txt")}},
    ),
    "a hidden file": (INI, {"db/versions/.a.py": "a"}),
    "dots and other letters": (INI, {A: "1.0.0", B: "1.0.1_é < 1.0.0", "db/versions/c.py": "a b < 1.0.1_é"}),
    "annotated": (
        INI,
        {
            A: 'revision: str = "a"\ndown_revision: str | None = None\n',
            B: 'from typing import Sequence, Union\nrevision: str = "b"\n'
            'down_revision: Union[str, Sequence[str], None] = "a"\nbranch_labels: Union[str, None] = None\n'
            "depends_on: Union[str, Sequence[str], None] = None\n",
        },
    ),
    "tuples and lists": (
        INI,
        {
            A: 'revision = "a"\ndown_revision = ()\n',
            B: 'revision = "b"\ndown_revision = ["a"]\n',
            "db/versions/c.py": 'revision = "c"\ndown_revision = ("a",)\n',
            "db/versions/d.py": 'revision = "d"\ndown_revision = ("b", "c")\n',
            "db/versions/e.py": 'revision = "e"\ndown_revision = (\n    "d",\n)\n',
        },
    ),
    "depends_on": (
        INI,
        {
            A: 'revision = "a"\ndown_revision = None\nbranch_labels = ("shop",)\n',
            B: 'revision = "b"\ndown_revision = None\nbranch_labels = "stock"\ndepends_on = "a"\n',
            "db/versions/c.py": 'revision = "c"\ndown_revision = "b"\ndepends_on = "shop"\n',
            "db/versions/d.py": 'revision = "d"\ndown_revision = "a"\ndepends_on = ["b"]\n',
            "db/versions/e.py": 'revision = "e"\ndown_revision = None\ndepends_on = ("shop", "stock", "d")\n',
        },
    ),
    "labels": (INI, {A: 'revision = "a"\ndown_revision = None\nbranch_labels = ["x", "y@z"]\n', B: "b < a"}),
    "words that say nothing": (
        INI,
        {
            A: '"""revision = z"""\n# revision = "y"\nrevision = "a"\ndown_revision = None\n'
            "def upgrade(revision=1):\n    down_revision = revision\n",
            B: 'revision_of = "x"\nx = revision = "b"\ndown_revision = "a"  # it was "c"\n',
        },
    ),
    "set twice": (INI, {A: 'revision = "x"\nx = revision = "a"\ndown_revision = "b"\ndown_revision = None\n'}),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, and ignore the warnings of Alembic about old settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    warnings.simplefilter("ignore")


@pytest.mark.parametrize(("settings", "files"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_is_read_as_alembic_reads_it(tmp_path: Path, settings: str, files: dict[str, str]) -> None:
    project = write(tmp_path, settings, files)

    expected = as_alembic_reads_it(tmp_path)
    assert facts_of(project.history) == facts_of_alembic(expected)
    assert {*project.history.heads} == {*expected.get_heads()}
    # Our code calls Alembic in this way.
    assert facts_of_alembic(ScriptDirectory.from_config(project.alembic_config())) == facts_of_alembic(expected)


ONE_FOLDER = f"{INI}path_separator = os\nversion_locations = %(here)s/db/versions\n"


@pytest.mark.parametrize(("settings", "expected"), [(INI, False), (ONE_FOLDER, False), (LAYOUTS["recursive"][0], True)])
def test_the_plain_shape_is_read_without_alembic(tmp_path: Path, settings: str, expected: bool) -> None:
    """Therefore most commands start quickly."""
    write(tmp_path, settings, {A: "a", B: "b < a"})
    code = (
        "import sys; from antarest.migration.project.project import Project; "
        "print(Project.load().history.head, 'alembic' in sys.modules)"
    )

    # A new Python: the processes that `run` makes have imported Alembic already.
    said = subprocess.check_output(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True
    )

    assert said.split() == ["b", str(expected)]


def test_our_own_history_is_read_as_alembic_reads_it() -> None:
    scripts = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    ours = Project.own().history

    assert facts_of(ours) == facts_of_alembic(scripts)
    assert {id_: ours[id_].message for id_ in ours.order} == {
        script.revision: script.doc for script in scripts.walk_revisions()
    }


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_project_of_each_template_is_read_as_alembic_reads_it(tmp_path: Path, template: str) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    config = Config("alembic.ini", toml_file="pyproject.toml", stdout=(tmp_path / "said").open("w"))
    command.init(config, "db", template=template)
    for message in ("one", "two"):
        now = Config("alembic.ini", toml_file="pyproject.toml", stdout=(tmp_path / "said").open("w"))
        command.revision(now, message)

    read = facts_of(Project.load().history)

    assert len(read) == 2
    assert read == facts_of_alembic(as_alembic_reads_it(tmp_path))


def test_a_project_of_several_databases_is_refused(tmp_path: Path) -> None:
    command.init(Config("alembic.ini", stdout=(tmp_path / "said").open("w")), "db", template="multidb")

    with pytest.raises(InvalidProject, match="a history of several databases is not supported"):
        Project.load()


def test_a_project_is_read_alike_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "[alembic]\nscript_location = db\nversion_locations = one, two\n", SEVERAL)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")

    project = Project.load("../alembic.ini")

    assert project.history.order == ("a", "b")
    assert {*facts_of_alembic(ScriptDirectory.from_config(project.alembic_config()))} == {"a", "b"}


REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "an unknown separator": (f"{INI}path_separator = ,\nversion_locations = one\n", {}, "',' is not a valid value"),
    "compiled files": (f"{INI}sourceless = true\n", {A: "a"}, "sourceless = true"),
    "only subfolders": (INI, SUBFOLDERS, "recursive_version_locations"),
    "a folder that is missing": (f"{INI}version_locations = one, nowhere\n", {"one/a.py": "a"}, "there is no folder"),
    "no package": ("[alembic]\nscript_location = no_such_package:db\n", {}, "No module named 'no_such_package'"),
    "no boolean": ('[tool.alembic]\nscript_location = "db"\nrecursive_version_locations = "true"\n', {}, "boolean"),
    "no TOML": ("[tool.alembic]\nscript_location\n", {}, "pyproject.toml"),
    "an unknown name": ('[tool.alembic]\nscript_location = "%(where)s"\n', {}, "where"),
    "no name": ("[tool.alembic]\nrecursive_version_locations = true\n", {}, "script_location"),
}


@pytest.mark.parametrize(("settings", "files", "reason"), REFUSED.values(), ids=REFUSED)
def test_settings_that_are_read_otherwise_are_refused(
    tmp_path: Path, settings: str, files: dict[str, str], reason: str
) -> None:
    with pytest.raises(InvalidProject) as caught:
        _ = write(tmp_path, settings, files).history

    assert reason in caught.value.message
    assert "\n" not in caught.value.message


REFUSED_FILES = {
    "a tuple": 'revision = ("a",)\ndown_revision = None\n',
    "set to None": "revision = None\ndown_revision = None\n",
    "labels computed": 'revision = "a"\ndown_revision = None\nbranch_labels = str("x")\n',
    "no down_revision": 'revision = "a"\n',
    "a name in the file's name": "down_revision = None\n",
    "in a condition": 'revision = "a"\ndown_revision = None\nif True:\n    down_revision = "b"\n',
    "several at once": 'revision, down_revision = "a", None\n',
    "computed": 'revision = "a"\ndown_revision = str("b")\n',
    "imported": 'from x import y as revision\ndown_revision = None\nrevision_ = "a"\n',
    "imported besides": 'revision = "a"\ndown_revision = None\nfrom x import y as depends_on\n',
    "in a loop": 'revision = "a"\nfor down_revision in ("b",): pass\n',
    "in a function": 'revision = "a"\ndown_revision = None\ndef f():\n    global revision\n    revision = "b"\nf()\n',
    "added to": 'revision = "a"\nrevision += "b"\ndown_revision = None\n',
    "deleted": 'revision = "a"\ndown_revision = None\ndepends_on = "a"\ndel depends_on\n',
    "a hyphen": 'revision = "a-b"\ndown_revision = None\n',
    "a plus": 'revision = "a+b"\ndown_revision = None\n',
    "a label of two": 'revision = "a"\ndown_revision = None\nbranch_labels = ("x", "a")\n',
    "follows itself": 'revision = "a"\ndown_revision = "a"\n',
    "follows a label": 'revision = "a"\ndown_revision = "x"\nbranch_labels = "x"\n',
    "depends on nothing there is": 'revision = "a"\ndown_revision = None\ndepends_on = "nowhere"\n',
}


@pytest.mark.parametrize("text", REFUSED_FILES.values(), ids=REFUSED_FILES)
def test_a_file_that_may_be_read_otherwise_is_refused(tmp_path: Path, text: str) -> None:
    project = write(tmp_path, INI, {A: text})

    with pytest.raises(AntarestError):
        _ = project.history


def test_a_revision_in_two_files_is_refused(tmp_path: Path) -> None:
    project = write(tmp_path, f"{INI}version_locations = one, two\n", {"one/a.py": "a", "two/a.py": "a"})

    with pytest.raises(AntarestError, match="revision a is in more than one file"):
        _ = project.history


def test_a_label_of_two_revisions_is_refused(tmp_path: Path) -> None:
    text = 'revision = "{}"\ndown_revision = None\nbranch_labels = "shop"\n'
    project = write(tmp_path, INI, {A: text.format("a"), B: text.format("b")})

    with pytest.raises(InvalidRevisionFile, match="'shop'"):
        _ = project.history


def test_a_compiled_file_beside_is_read_by_nobody(tmp_path: Path) -> None:
    project = write(tmp_path, INI, {A: "a", "db/versions/b.py": "b < a"})
    py_compile.compile(str(tmp_path / B), cfile=str(tmp_path / f"{B}c"))
    (tmp_path / B).unlink()

    assert facts_of(project.history) == facts_of_alembic(as_alembic_reads_it(tmp_path))
