"""The source of a project's modules: where the modules that it imports are looked for."""

from __future__ import annotations

from pathlib import Path

from antarest.migration.verify.source import SourceModule


def test_a_package_above_env_py_is_found_although_no_search_path_names_its_folder(tmp_path: Path) -> None:
    """The project is a folder of revisions without an `alembic.ini`, deep inside of the application."""
    migrations = tmp_path / "code" / "shop_of_a_test" / "db" / "migrations"
    migrations.mkdir(parents=True)
    models = migrations.parents[1] / "models.py"
    models.write_text("NAMES = {'ix': 'ix_%(column_0_label)s'}\n")
    env = migrations / "env.py"
    env.write_text("from shop_of_a_test.models import NAMES\n")

    module = SourceModule.read(env, migrations)

    assert list(module.imported("NAMES")) == [models]
