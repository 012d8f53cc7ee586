"""The options of `env.py` are read from its source, and from the modules of the project that it imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from antarest.migration.verify.env_reader import target_of
from antarest.migration.verify.source import SourceModule
from tests.support.projects.histories import Script, write_project


def test_each_file_of_the_project_is_read_once_and_none_of_the_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path, Script("first"))
    env = project.root / "alembic" / "env.py"
    env.write_text(f"{env.read_text()}import one, two\n")
    for name, imported in {"one": "two, three", "two": "one, three", "three": "one, sqlalchemy as sa"}.items():
        (project.root / f"{name}.py").write_text(f"import {imported}\n")
    with (project.root / "three.py").open("a") as file:
        file.write("metadata = sa.MetaData(naming_convention={'pk': 'p_%(table_name)s'})\n")
    files: list[str] = []
    read = SourceModule.read

    def heard(path: Path, root: Path) -> SourceModule:
        files.append(path.name)
        return read(path, root)

    monkeypatch.setattr(SourceModule, "read", heard)

    target = target_of(str(project.ini), None, None, None)

    assert target.naming_convention == {"pk": "p_%(table_name)s"}
    assert sorted(files) == ["env.py", "one.py", "three.py", "two.py"]
