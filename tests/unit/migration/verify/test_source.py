"""The source of a project's modules: where imported modules are searched."""

from __future__ import annotations

from pathlib import Path

from antarest.migration.verify.env_reader import target_of
from antarest.migration.verify.findings import static
from antarest.migration.verify.source import SourceModule


def test_a_package_above_env_py_is_found_although_no_search_path_names_its_folder(tmp_path: Path) -> None:
    """The project is a folder of revisions without an `alembic.ini`, deep inside the application."""
    migrations = tmp_path / "code" / "shop_of_a_test" / "db" / "migrations"
    migrations.mkdir(parents=True)
    models = migrations.parents[1] / "models.py"
    models.write_text("NAMES = {'ix': 'ix_%(column_0_label)s'}\n")
    env = migrations / "env.py"
    env.write_text("from shop_of_a_test.models import NAMES\n")

    module = SourceModule.read(env, migrations)

    assert list(module.imported("NAMES")) == [models]


def test_a_package_many_folders_above_the_revisions_is_the_application(tmp_path: Path) -> None:
    """Neither the settings nor the metadata name the package."""
    versions = tmp_path / "pond_of_a_test" / "storage" / "backends" / "sql" / "migrations" / "versions"
    versions.mkdir(parents=True)
    for folder in ("pond_of_a_test", "pond_of_a_test/storage"):
        (tmp_path / folder / "__init__.py").touch()
    revision = versions / "r1.py"
    text = "revision = 'r1'\ndown_revision = None\n\n\ndef upgrade():\n    import pond_of_a_test.storage\n"
    revision.write_text(text)

    found = static.findings(target_of(None, str(versions), None, None), ["r1"])

    assert [(each.id, each.found) for each in found] == [("V201", "line 6 imports pond_of_a_test.storage")]
